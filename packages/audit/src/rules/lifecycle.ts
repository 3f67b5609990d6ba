import type { LifecycleRule } from './designation-rule.ts';

/**
 * Every request and message is bracketed by `invocation_started` and `invocation_complete` or `invocation_cancelled`. Without
 * it, those in which something else is recorded are.
 */
export function lifecycle(): LifecycleRule {
  return { lifecycle: true };
}
