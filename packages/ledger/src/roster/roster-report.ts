/** A run that an orchestrator's step was answered with, and that is not in the ledger though it had an event. */
export interface ProducerAbsentFinding {
  readonly cause: 'producer_absent';
  /** The orchestrator's run and event that name the absent one, and where that is stored. */
  readonly runId: string;
  readonly seq: number;
  /** `<run_id>:<seq>` */
  readonly eventId: string;
  readonly streamSeq: number;
  readonly executionId: string;
  /** Absent where it was called outside of any step. */
  readonly stepId?: string;
  readonly attempt?: number;
  /** The run that answered, and is not here. */
  readonly absentRunId: string;
  /** Whom the request was sent to. */
  readonly host?: string;
}

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
