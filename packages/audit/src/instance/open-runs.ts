import { GENESIS_HASH, isTerminalEvent, parseEvent } from '@spanledger/protocol';
import type { WorkflowIdentity } from '@spanledger/protocol';
import type { RunHead } from '../delivery/run-heads.ts';
import type { JournaledEvent } from '../journal/journaled-event.ts';
import type { PositionRange } from '../journal/replay-plan.ts';
import type { LossRange } from '../pipeline/open-losses.ts';
import { ReportedLosses } from './reported-losses.ts';

/** A run of a dead process that did not come to its end. */
export interface OpenRun extends RunHead, WorkflowIdentity {}

/** The last event of a run so far. */
interface Place {
  readonly position: number;
  /** How many positions up to there could not be read. */
  readonly absent: number;
  readonly seq: number;
  readonly hash: string;
}

const NOWHERE: Place = { position: 0, absent: 0, seq: 0, hash: GENESIS_HASH };

/**
 * What a dead process's events, in their order, say about its runs: which are open, and which numbers are missing. I7: a few short
 * strings for each run of a journal, which is bounded itself.
 */
export class OpenRuns {
  readonly #lost: readonly PositionRange[];
  readonly #open = new Map<string, OpenRun & Place>();
  readonly #ended = new Set<string>();
  readonly #holes: LossRange[] = [];
  readonly #reported = new ReportedLosses();
  #through = 0;
  #seen = 0;
  #damaged = 0;

  /** @param lost positions of events that were accepted and cannot be read any more. */
  constructor(lost: readonly PositionRange[]) {
    this.#lost = lost;
  }

  see({ position, event: { runId, seq, hash, bytes } }: JournaledEvent): void {
    // The journal is read from its begin again.
    if (position <= this.#through) return;
    this.#through = position;
    this.#seen += 1;
    const event = parseEvent(bytes);
    if (event === undefined) return;
    this.#reported.see(event);
    // What comes after the end of a run is late, and does not open it again.
    if (this.#ended.has(runId)) return;
    const place = { position, absent: position - this.#seen, seq, hash };
    this.#findHole(runId, this.#open.get(runId) ?? NOWHERE, place, event.prev_hash);
    if (endsRun(event)) {
      this.#ended.add(runId);
      this.#open.delete(runId);
    } else {
      this.#open.set(runId, { runId, ...place, ...identityOf(event) });
    }
  }

  get all(): OpenRun[] {
    return [...this.#open.values()];
  }

  /** Numbers that were given to events which are not in the journal, and that no report in it names. */
  get missing(): LossRange[] {
    return this.#holes.filter((hole) => !this.#reported.names(hole));
  }

  /** How many events the journal has lost whose numbers nothing shows. */
  get unnumbered(): number {
    return this.#lost.reduce((sum, { from, to }) => sum + to - from + 1, 0) - this.#damaged;
  }

  /**
   * I3: a hole whose numbers cannot all have had a place in the journal was never all in it. Those were in memory only and may have
   * been stored; that the process died is all that is known. Else what can no longer be read explains it; or, where
   * nothing of that is between, segments that were removed because all in them was acknowledged.
   */
  #findHole(runId: string, before: Place, after: Place, lastHash: string): void {
    const numbers = after.seq - before.seq - 1;
    if (numbers <= 0) return;
    const absent = after.absent - before.absent;
    const damaged = this.#lostBetween(before.position, after.position);
    if (numbers <= absent && damaged === 0) return;
    const reason = numbers > absent ? 'not_journaled' : 'journal_damaged';
    if (numbers <= absent && absent === damaged) this.#damaged += numbers;
    const range = { firstSeq: before.seq + 1, prevHash: before.hash, lastSeq: after.seq - 1, lastHash };
    this.#holes.push({ runId, ...range, reason });
  }

  #lostBetween(before: number, after: number): number {
    return this.#lost.reduce(
      (sum, { from, to }) => sum + Math.max(0, Math.min(to, after - 1) - Math.max(from, before + 1) + 1),
      0,
    );
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
