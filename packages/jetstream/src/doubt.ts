import type { SpanledgerError } from '@spanledger/protocol';

const BACKOFF_MIN_MS = 50;
const BACKOFF_MAX_MS = 2_000;

/**
 * Whether what is published is being stored, as far as we know. A doubt is open from the first sign that it is not until
 * something is stored; as long as it is, one event alone is tried.
 */
export class Doubt {
  readonly #windowMax: number;
  #window: number;
  #problem: SpanledgerError | undefined;
  #mayHaveLost = false;
  #backoffMs = BACKOFF_MIN_MS;
  #timer: NodeJS.Timeout | undefined;
  #resumeListener: (() => void) | undefined;

  /** @param problem why nothing is stored at the beginning; of the stream nothing bad is known. */
  constructor(windowMax: number, problem: SpanledgerError) {
    this.#windowMax = windowMax;
    this.#window = windowMax;
    this.#problem = problem;
  }

  /** Why nothing is stored; `undefined` while there is no doubt. */
  get problem(): SpanledgerError | undefined {
    return this.#problem;
  }

  /** How many events may be in flight. */
  get window(): number {
    return this.#window;
  }

  /** Whether the next try waits for its time. */
  get pausing(): boolean {
    return this.#timer !== undefined;
  }

  /** @param mayHaveLost whether what was acknowledged may be gone with whatever this is. */
  open(problem: SpanledgerError, mayHaveLost: boolean): void {
    this.#problem = problem;
    this.#mayHaveLost ||= mayHaveLost;
    this.#window = 1;
  }

  /** Calls back before the next try: after 50 ms, and after more each time, up to 2 s. One try at a time. */
  pause(retry: () => void): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      retry();
    }, this.#backoffMs).unref();
    this.#backoffMs = Math.min(this.#backoffMs * 2, BACKOFF_MAX_MS);
  }

  /** There is no reason to wait any longer, or as long as the last time. */
  hurry(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#backoffMs = BACKOFF_MIN_MS;
  }

  /** Something is stored, or could be. The listener may write: everything here is as it was before the doubt. */
  end(): void {
    const mayHaveLost = this.#mayHaveLost;
    this.#problem = undefined;
    this.#mayHaveLost = false;
    this.#window = this.#windowMax;
    this.#backoffMs = BACKOFF_MIN_MS;
    if (!mayHaveLost) return;
    try {
      this.#resumeListener?.();
    } catch {
      // I5: it runs inside the connection's reader, which a throw would end.
    }
  }

  /** See `AuditSink.onResume`. */
  onResume(listener: () => void): void {
    this.#resumeListener = listener;
  }
}
