import type { PubAck } from './pub-ack.ts';
import type { PendingWrite } from './pending-write.ts';

/** Said once in so many milliseconds: it is somebody else who decides how often it happens. */
const CONTRADICTION_PAUSE_MS = 5_000;

/** P3: acknowledgements that our stream says it has given, and that cannot all be true. */
export class AckCheck {
  #highest = 0;
  #contradictedMs = -Infinity;

  /**
   * Whether something is stored under the event's id that we never published: our publish was dropped for it. Asked once
   * for an event; after that it has an id that nobody can know.
   */
  isIdTaken(write: PendingWrite, ack: Extract<PubAck, { status: 'stored' }>): boolean {
    return ack.duplicate === true && write.publishes === 1 && !write.again && write.idSuffix === '';
  }

  /**
   * As long as nothing interrupts, a stream stores in the order of publishing: the numbers of new messages rise. One that
   * does not is no true acknowledgement, or the one before was none, or the stream has lost what it had. The next is
   * compared with this one, so that one lie does not make a liar of the truth for ever.
   */
  isBackwards({ streamSeq, duplicate }: Extract<PubAck, { status: 'stored' }>): boolean {
    if (duplicate) return false;
    const backwards = streamSeq <= this.#highest;
    this.#highest = streamSeq;
    return backwards;
  }

  /** After an interruption the stream may have gone backwards. */
  restart(): void {
    this.#highest = 0;
  }

  /** @returns whether this contradiction is to be told. */
  isNews(): boolean {
    const nowMs = performance.now();
    if (nowMs - this.#contradictedMs < CONTRADICTION_PAUSE_MS) return false;
    this.#contradictedMs = nowMs;
    return true;
  }
}
