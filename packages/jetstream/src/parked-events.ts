import type { SpanledgerError } from '@spanledger/protocol';
import { refused } from './outcomes.ts';
import type { Entry } from './publish-queue.ts';

/** I7: how many events on denied subjects wait for a permission; what comes after them is refused. */
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

  /** Takes them all, or refuses those for which there is no room. */
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

  /** Refuses them, and everything that would be parked from now on. */
  refuseAll(): void {
    this.#max = 0;
    for (const entry of this.takeOut()) answerDenied(entry);
  }
}

function answerDenied(entry: Entry): void {
  entry.answer(refused(`publishing on ${entry.event.subject} is not permitted`));
}
