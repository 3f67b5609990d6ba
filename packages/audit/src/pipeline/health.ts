import type { AuditSink } from '@spanledger/protocol';

/** Something is on its way, and nothing has arrived for so long. */
const STALLED_MS = 5_000;

/** How a pipeline is doing, for a readiness probe and for people. Plain data. */
export interface PipelineHealth {
  /**
   * - `ok`: events reach the sink.
   * - `degraded`: the sink stores nothing at the moment; events are kept, in the journal or in memory.
   * - `failing`: new events are lost (and reported as such later): there is no room, or the pipeline is shut down.
   */
  readonly status: 'ok' | 'degraded' | 'failing';
  /** A new event would be kept: false exactly when `failing`. */
  readonly accepting: boolean;
  readonly sink: {
    readonly name: string;
    readonly healthy: boolean;
    /** Why it stores nothing, where that is known. */
    readonly problem?: string;
  };
  /** Sealed events in memory that have no outcome yet. */
  readonly queue: { readonly events: number; readonly bytes: number };
  /** Absent without a journal. */
  readonly journal?: {
    readonly folder: string;
    /** On the disk, with what is preallocated and what was adopted. */
    readonly bytes: number;
    readonly unacknowledged: number;
    /** No event that is not acknowledged is older, in milliseconds. */
    readonly oldestAgeMs: number;
    /** It took the last event that it was offered. */
    readonly healthy: boolean;
  };
  /** Events lost since the start, and how many of them no `audit_loss` in the ledger names yet. */
  readonly losses: { readonly events: number; readonly unreported: number };
}

export function sinkHealth(sink: AuditSink, lastError: Error | undefined, stalledMs: number): PipelineHealth['sink'] {
  const stalled = stalledMs > STALLED_MS ? `no answer for ${Math.round(stalledMs / 1000)} s` : undefined;
  const problem = sink.status?.().problem?.message ?? lastError?.message ?? stalled;
  return { name: sink.name, healthy: problem === undefined, ...(problem !== undefined && { problem }) };
}
