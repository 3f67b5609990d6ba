import { isTerminalEvent, parseEvent } from '@spanledger/protocol';
import type { SealedEvent, WorkflowIdentity } from '@spanledger/protocol';
import type { RunHead } from '../delivery/run-heads.ts';

/** A run of a dead process that did not come to its end. */
export interface OpenRun extends RunHead, WorkflowIdentity {}

/** Numbers of one run that are in no journal any more. */
export interface MissingEvents {
  readonly runId: string;
  readonly firstSeq: number;
  /** Hash of the event before them. */
  readonly prevHash: string;
  readonly lastSeq: number;
  /** `prev_hash` of the event after them. */
  readonly lastHash: string;
}

/**
 * What a dead process's events, in their order, say about its runs. I7: two short strings for each run of a journal, which is
 * bounded itself.
 */
export class OpenRuns {
  readonly missing: MissingEvents[] = [];
  readonly #open = new Map<string, OpenRun>();
  readonly #ended = new Set<string>();

  see({ runId, seq, hash, bytes }: SealedEvent): void {
    const event = parseEvent(bytes);
    if (event === undefined) return;
    const before = this.#open.get(runId);
    if (before !== undefined && seq > before.seq + 1) {
      const range = { firstSeq: before.seq + 1, prevHash: before.hash, lastSeq: seq - 1, lastHash: event.prev_hash };
      this.missing.push({ runId, ...range });
    }
    // What comes after the end of a run is late, and does not open it again.
    if (endsRun(event)) this.#ended.add(runId);
    if (this.#ended.has(runId)) this.#open.delete(runId);
    else if (before === undefined || seq > before.seq)
      this.#open.set(runId, { runId, seq, hash, ...identityOf(event) });
  }

  get all(): OpenRun[] {
    return [...this.#open.values()];
  }
}

type ParsedEvent = NonNullable<ReturnType<typeof parseEvent>>;

function endsRun({ event, fields }: ParsedEvent): boolean {
  if (event === 'run_abandoned') return true;
  return event === 'audit_checkpoint' ? fields?.['final'] === true : isTerminalEvent(event);
}

function identityOf({ workflow_id, workflow_execution_id }: ParsedEvent): WorkflowIdentity {
  return {
    ...(workflow_id !== undefined && { workflowId: workflow_id }),
    ...(workflow_execution_id !== undefined && { executionId: workflow_execution_id }),
  };
}
