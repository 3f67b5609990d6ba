import type { PendingOutcome, SealedEvent, WriteOutcome } from '@spanledger/protocol';

type Listener = (outcome: WriteOutcome) => void;

/**
 * An event on its way to the stream, and who waits for what becomes of it. It can be awaited; a promise for each event would be
 * half of what every collection has to copy while thousands are on their way.
 */
export class PendingWrite implements PendingOutcome {
  readonly event: SealedEvent;
  /** The caller may have written it before. */
  readonly again: boolean;
  /** How often it was published, with this suffix. */
  publishes = 0;
  /** Of its message id; mostly empty. */
  idSuffix = '';
  #outcome: WriteOutcome | undefined;
  #listener: Listener | undefined;

  constructor(event: SealedEvent, again: boolean) {
    this.event = event;
    this.again = again;
  }

  /** The listener is called in the turn in which the answer comes, never before this returns. */
  // oxlint-disable-next-line unicorn/no-thenable -- To be awaited is what it is for.
  then(listener: Listener): void {
    const [outcome, other] = [this.#outcome, this.#listener];
    if (outcome !== undefined) queueMicrotask(() => listener(outcome));
    else this.#listener = other === undefined ? listener : (answer) => (tell(other, answer), tell(listener, answer));
  }

  answer(outcome: WriteOutcome): void {
    const listener = this.#listener;
    this.#outcome = outcome;
    this.#listener = undefined;
    if (listener !== undefined) tell(listener, outcome);
  }
}

/**
 * I5: what a listener throws must not cost others their answer, nor end the connection's reader, which this runs in, and with it the
 * connection, for good. It is uncaught, as of a promise, but nobody else's.
 */
function tell(listener: Listener, outcome: WriteOutcome): void {
  try {
    listener(outcome);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
