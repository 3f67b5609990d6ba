/** How far a percentile may be off: a share of the true value, beside rounding to whole milliseconds. */
const RELATIVE_ERROR = 0.01;
const GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR);
const LOG_GAMMA = Math.log(GAMMA);

/** Percentiles by nearest rank, in whole milliseconds: exact below 50 ms, above it within 1 % and half a millisecond. */
export interface LatencySummary {
  /** How many durations it is made of. */
  readonly count: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  /** Exact. */
  readonly maxMs: number;
}

/**
 * Durations in buckets that grow by 2 %: a DDSketch that never has to collapse, because whole milliseconds up to 2^53 need no
 * more than 1,838 buckets (I7). What it says does not depend on the order in which they came.
 */
export class LatencySketch {
  readonly #buckets = new Map<number, number>();
  #zeros = 0;
  #count = 0;
  #maxMs = 0;

  /** What is no duration (negative, not whole, not a number) is passed over. */
  add(durationMs: unknown): void {
    if (!Number.isSafeInteger(durationMs) || (durationMs as number) < 0) return;
    const ms = durationMs as number;
    this.#count += 1;
    this.#maxMs = Math.max(this.#maxMs, ms);
    if (ms === 0) {
      this.#zeros += 1;
      return;
    }
    const bucket = Math.ceil(Math.log(ms) / LOG_GAMMA);
    this.#buckets.set(bucket, (this.#buckets.get(bucket) ?? 0) + 1);
  }

  /** `undefined` where there is nothing to summarise. */
  summary(): LatencySummary | undefined {
    if (this.#count === 0) return undefined;
    const ascending = [...this.#buckets].sort(([a], [b]) => a - b);
    const percentile = (share: number): number => this.#valueAt(Math.ceil(share * this.#count), ascending);
    return {
      count: this.#count,
      p50Ms: percentile(0.5),
      p90Ms: percentile(0.9),
      p99Ms: percentile(0.99),
      maxMs: this.#maxMs,
    };
  }

  #valueAt(rank: number, ascending: readonly (readonly [number, number])[]): number {
    let before = this.#zeros;
    if (rank <= before) return 0;
    for (const [bucket, count] of ascending) {
      before += count;
      // The middle of the bucket, in the sense of the relative error.
      if (rank <= before) return Math.min(this.#maxMs, Math.round((2 * GAMMA ** bucket) / (GAMMA + 1)));
    }
    return this.#maxMs;
  }
}
