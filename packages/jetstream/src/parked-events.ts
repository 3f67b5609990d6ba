import { SpanledgerError } from '@spanledger/protocol';
import type { Entry } from './publish-queue.ts';

/** I7: how many events on denied subjects wait for a permission; what comes after them is given up on. */
const PARKED_MAX = 1_024;

/** The events whose subject is denied: never acknowledged by a server, and tried again when it may be permitted. */
export class ParkedEvents {
  #entries: Entry[] = [];
  #max = PARKED_MAX;
  #problem: SpanledgerError | undefined;

  get size(): number {
    return this.#entries.length;
  }

  /** Why they wait; `undefined` while there are none. */
  get problem(): SpanledgerError | undefined {
    return this.size > 0 ? this.#problem : undefined;
  }

  /** Takes them all, or gives up on those for which there is no room. */
  park(entries: readonly Entry[], problem: SpanledgerError): void {
    this.#problem = problem;
    for (const entry of entries) {
      if (this.size < this.#max) this.#entries.push(entry);
      else answerDenied(entry);
    }
  }

  /** All of them, in the order in which they were parked. */
  takeOut(): Entry[] {
    return this.#entries.splice(0);
  }

  /** Gives up on them, and on everything that would be parked from now on. */
  giveUp(): void {
    this.#max = 0;
    for (const entry of this.takeOut()) answerDenied(entry);
  }
}

/** Not `refused`: a permission may be given, and who still has the event tries again. */
function answerDenied({ event, answer }: Entry): void {
  const message = `publishing on ${event.subject} is not permitted`;
  answer({ status: 'failed', error: new SpanledgerError('SPANLEDGER_REFUSED', message) });
}
