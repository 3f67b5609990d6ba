import { processState } from './process-state.ts';
import type { WorkflowContext } from './workflow-context.ts';

/** How a request or message ended. `error` is what was thrown, or a short text. */
export type RunOutcome =
  | { readonly status: 'ok' }
  | { readonly status: 'error'; readonly error?: unknown }
  | { readonly status: 'cancelled'; readonly reason?: string };

/**
 * Told of the begin and end of runs that come from carriers. The audit pipeline listens here, so that this package and the
 * middlewares need not know of it. Neither method throws.
 */
export interface RunLifecycle {
  started(scope: WorkflowContext): void;
  ended(scope: WorkflowContext, outcome: RunOutcome): void;
}

/** Registers the listener of this process; `undefined` removes it. */
export function setRunLifecycle(lifecycle: RunLifecycle | undefined): void {
  processState().lifecycle = lifecycle;
}

/**
 * Claims the lifecycle of a run and announces its start.
 *
 * @returns the function that announces its end (only its first call counts), or `undefined` if another emitter (the
 * entry span of HTTP instrumentation, an outer middleware) has claimed it.
 */
export function beginRun(scope: WorkflowContext): ((outcome: RunOutcome) => void) | undefined {
  if (!scope.run.claimLifecycle()) return undefined;
  processState().lifecycle?.started(scope);
  let ended = false;
  return (outcome) => {
    if (ended) return;
    ended = true;
    processState().lifecycle?.ended(scope, outcome);
  };
}
