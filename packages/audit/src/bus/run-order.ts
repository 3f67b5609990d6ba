import type { BusEvent } from './bus-event.ts';

/** Runs of one task whose newest number is known (I7). Of one forgotten, an older event may come after a newer one. */
const RUNS_MAX = 1_024;

/**
 * The newest number of each run of a task. Whoever publishes after an `await` may be overtaken by who numbered later;
 * waiting for the missing number would hold the task up, perhaps for ever, so what comes too late is not handed out.
 */
export class RunOrder {
  readonly #newest = new Map<string, bigint>();

  /** Whether a later event of its run has gone before this one. One without a number is in nobody's order. */
  isOvertaken(event: BusEvent): boolean {
    const seq = sequenceOf(event.seq);
    if (seq === undefined) return false;
    const run = event.run_id ?? '';
    const newest = this.#newest.get(run);
    if (newest !== undefined && seq < newest) return true;
    this.#newest.set(run, seq);
    if (this.#newest.size > RUNS_MAX) this.#forgetOldest();
    return false;
  }

  #forgetOldest(): void {
    for (const run of this.#newest.keys()) {
      this.#newest.delete(run);
      return;
    }
  }
}

/** Past 2^53 a number travels as a decimal string: compared as integers, not as text and not as doubles. */
function sequenceOf(seq: unknown): bigint | undefined {
  if (typeof seq === 'number' && Number.isSafeInteger(seq)) return BigInt(seq);
  return typeof seq === 'string' && /^\d{1,40}$/.test(seq) ? BigInt(seq) : undefined;
}
