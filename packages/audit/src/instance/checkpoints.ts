import type { JsonValue } from '@spanledger/protocol';
import type { EventInput } from '../event-input.ts';
import type { RunHead, RunHeads } from '../delivery/run-heads.ts';

/** An `audit_checkpoint` is written when so many events have been stored since the last one, or so much time has passed. */
const EVENTS_MAX = 1_000;
/** Runs that one event names. */
const RUNS_MAX = 200;
/** What a run needs in an event, and everything else of it, in bytes, at most. */
const RUN_BYTES = 160;
const OTHER_BYTES = 20_000;

export interface CheckpointOptions {
  readonly heads: RunHeads;
  readonly eventMaxBytes: number;
  /** Seals an event into the instance run. @returns whether it is kept. */
  readonly emit: (input: EventInput) => boolean;
}

/**
 * Writes `audit_checkpoint` events: for each run that has come further since the last one, up to where it is in the ledger. So a
 * reader of any later checkpoint sees that a tail was cut, or a run deleted whole.
 *
 * Only what the sink has acknowledged is named, so that an outage never looks like a deletion (I9).
 */
export class Checkpoints {
  readonly #options: CheckpointOptions;
  readonly #runsMax: number;
  #storedSince = 0;

  constructor(options: CheckpointOptions) {
    this.#options = options;
    this.#runsMax = Math.min(RUNS_MAX, Math.floor((options.eventMaxBytes - OTHER_BYTES) / RUN_BYTES));
  }

  /** One more event is in the sink. */
  stored(): void {
    this.#storedSince += 1;
    if (this.#storedSince >= EVENTS_MAX) this.write();
  }

  /** Names what is to be named; nothing, if nothing has been stored. */
  write(): void {
    this.#storedSince = 0;
    // Not until there are none: a checkpoint that is stored at once is something to name.
    for (let events = Math.ceil(this.#options.heads.size / this.#runsMax); events > 0; events -= 1) {
      if (!this.#writeOne()) return;
    }
  }

  /** The last event of the instance run: it says that the process has ended in order. @returns whether it is kept. */
  writeFinal(): boolean {
    while (this.#options.heads.size > this.#runsMax && this.#writeOne());
    return this.#writeOne(true);
  }

  #writeOne(final?: true): boolean {
    const { heads, emit } = this.#options;
    const named = heads.take(this.#runsMax);
    const fields = { ...(named.length > 0 && { runs: named.map(toFields) }), ...(final && { final }) };
    const isKept = emit({ event: 'audit_checkpoint', fields });
    if (!isKept) heads.putBack(named);
    return isKept;
  }
}

function toFields({ runId, seq, hash }: RunHead): Record<string, JsonValue> {
  return { run_id: runId, last_seq: seq, head_hash: hash };
}
