import type { BusEvent } from './bus-event.ts';

/** Runs of one task whose newest number is known (I7). Of one forgotten, an older event may come after a newer one. */
const RUNS_MAX = 1_024;
/** Numbers of a run, back from its newest, of which it is known whether they came (I7): 128 bytes for each run. */
const WINDOW = 1_024;

/**
 * - `next`: it is newer than all of its run.
 * - `overtaken`: a newer one of its run has gone before it, and it comes for the first time.
 * - `copy`: the same number of the same run has been here.
 */
export type Arrival = 'next' | 'overtaken' | 'copy';

/**
 * The newest numbers of each run of a task. Whoever publishes after an `await` may be overtaken by who numbered later;
 * waiting for the missing number would hold the task up, perhaps for ever, so what comes too late is not handed out. And
 * what is published again (two bridges feed one bus, a journal is replayed) is known by its number, not by its content.
 */
export class RunOrder {
  readonly #runs = new Map<string, RecentNumbers>();

  /** How an event comes; from now on it has come. One without a number is in nobody's order. */
  arrival(event: BusEvent): Arrival {
    const seq = sequenceOf(event.seq);
    if (seq === undefined) return 'next';
    const runId = event.run_id ?? '';
    const run = this.#runs.get(runId);
    if (run !== undefined) return run.arrival(seq);
    this.#runs.set(runId, new RecentNumbers(seq));
    if (this.#runs.size > RUNS_MAX) this.#forgetOldest();
    return 'next';
  }

  #forgetOldest(): void {
    for (const run of this.#runs.keys()) {
      this.#runs.delete(run);
      return;
    }
  }
}

class RecentNumbers {
  #newest: bigint;
  /** Bit n: the number n below the newest has come. */
  #came = 1n;

  constructor(first: bigint) {
    this.#newest = first;
  }

  arrival(seq: bigint): Arrival {
    const behind = this.#newest - seq;
    if (behind < 0n) {
      this.#newest = seq;
      this.#came = -behind >= WINDOW ? 1n : BigInt.asUintN(WINDOW, this.#came << -behind) | 1n;
      return 'next';
    }
    // Nothing is known of one so old: better told as missing than kept quiet.
    if (behind >= WINDOW) return 'overtaken';
    const bit = 1n << behind;
    if ((this.#came & bit) !== 0n) return 'copy';
    this.#came |= bit;
    return 'overtaken';
  }
}

/** Past 2^53 a number travels as a decimal string: compared as integers, not as text and not as doubles. */
function sequenceOf(seq: unknown): bigint | undefined {
  if (typeof seq === 'number' && Number.isSafeInteger(seq)) return BigInt(seq);
  return typeof seq === 'string' && /^\d{1,40}$/.test(seq) ? BigInt(seq) : undefined;
}
