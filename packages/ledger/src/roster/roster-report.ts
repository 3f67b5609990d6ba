import type { ProducerAbsentFinding } from '../verify/finding.ts';

/**
 * - `present`: there is an event of it. Whether all of them are there, `verify` says.
 * - `absent`: there is none, though it was recorded: a finding.
 * - `lost`: there is none, and an `audit_loss` names it.
 * - `silent`: there is none, and nobody has said that there was one. A run in which nothing is designated has none.
 * - `pending`: there is none yet, and the execution is going on.
 * - `unknown`: there may be one; more runs were read than can be held.
 */
export type DispatchState = 'present' | 'absent' | 'lost' | 'silent' | 'pending' | 'unknown';

/** One run that was called, as the orchestrator tells it. */
export interface DispatchedRun {
  readonly executionId: string;
  readonly stepId?: string;
  readonly attempt?: number;
  readonly runId: string;
  readonly host?: string;
  readonly state: DispatchState;
  /** Who wrote it, where it is present. */
  readonly producer?: string;
}

export interface RosterReport {
  /** By execution, step, attempt and run. */
  readonly dispatched: readonly DispatchedRun[];
  /** In the order of the stream. */
  readonly findings: readonly ProducerAbsentFinding[];
  /** Calls that the orchestrator counted and did not name, being too many for one event. */
  readonly unnamed: number;
  /** Runs and calls that were passed over because as many as can be held were held. */
  readonly overflowed: number;
}
