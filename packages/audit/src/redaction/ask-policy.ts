import { answersLater } from '../answers-later.ts';
import type { RedactionPolicy } from './redaction-options.ts';

/**
 * @param payload the policy's own.
 * @throws what the policy throws; a TypeError if it returned no payload
 */
export function askPolicy(policy: RedactionPolicy, payload: unknown): Record<string, unknown> {
  const answer: unknown = policy(payload as Record<string, unknown>);
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer) || answersLater(answer))
    throw new TypeError('a redaction policy must return an object, and not a promise');
  return answer as Record<string, unknown>;
}
