import { SpanledgerError } from '@spanledger/protocol';
import type { PendingWrite } from './pending-write.ts';

/** I7: how many events on denied subjects wait for a permission; what comes after them is given up on. */
const PARKED_MAX = 1_024;

/** The events whose subject is denied: never acknowledged by a server, and tried again when it may be permitted. */
export class ParkedEvents {
  #writes: PendingWrite[] = [];
  #max = PARKED_MAX;
  #problem: SpanledgerError | undefined;

  get size(): number {
    return this.#writes.length;
  }

  /** Why they wait; `undefined` while there are none. */
  get problem(): SpanledgerError | undefined {
    return this.size > 0 ? this.#problem : undefined;
  }

  /** Takes them all, or gives up on those for which there is no room. */
  park(writes: readonly PendingWrite[], problem: SpanledgerError): void {
    this.#problem = problem;
    for (const write of writes) {
      if (this.size < this.#max) this.#writes.push(write);
      else answerDenied(write);
    }
  }

  /** All of them, in the order in which they were parked. */
  takeOut(): PendingWrite[] {
    return this.#writes.splice(0);
  }

  /** Gives up on them, and on everything that would be parked from now on. */
  giveUp(): void {
    this.#max = 0;
    for (const write of this.takeOut()) answerDenied(write);
  }
}

/** Not `refused`: a permission may be given, and who still has the event tries again. */
function answerDenied(write: PendingWrite): void {
  const message = `publishing on ${write.event.subject} is not permitted`;
  write.answer({ status: 'failed', error: new SpanledgerError('SPANLEDGER_REFUSED', message) });
}
