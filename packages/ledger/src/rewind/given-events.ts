import { eventId } from '@spanledger/protocol';
import type { AuditEvent } from '@spanledger/protocol';
import { isName } from '../verify/field-values.ts';
import { attemptOf, scopeOf } from './step-epoch.ts';
import type { EventOfAttempt, StepEpoch } from './step-epoch.ts';

interface Given {
  readonly eventId: string;
  readonly epoch: number;
}

/** Which events of attempts a reader was given that may still be superseded. */
export class GivenEvents {
  readonly #max: number;
  /** By step; those of which an event was given last come last. */
  readonly #steps = new Map<string, Given[]>();
  #held = 0;
  /** How many are not remembered any more, or never were. */
  forgotten = 0;

  constructor(max: number) {
    this.#max = max;
  }

  add(event: AuditEvent): void {
    const attempt = attemptOf(event);
    if (attempt === undefined) return;
    if (!isName(event.run_id)) {
      this.forgotten += 1;
      return;
    }
    const key = stepKey(event, attempt);
    const given = this.#steps.get(key) ?? [];
    given.push({ eventId: eventId({ runId: event.run_id, seq: event.seq }), epoch: attempt.epoch });
    this.#steps.delete(key);
    this.#steps.set(key, given);
    this.#held += 1;
    if (this.#held > this.#max) this.#forgetOldest();
  }

  /** Takes out those of a step up to this epoch. @param event any of the same execution. */
  take(event: EventOfAttempt, attempt: StepEpoch): string[] {
    const key = stepKey(event, attempt);
    const given = this.#steps.get(key) ?? [];
    const [stale, left] = [given.filter(isStale), given.filter((one) => !isStale(one))];
    this.#held -= stale.length;
    if (left.length === 0) this.#steps.delete(key);
    else this.#steps.set(key, left);
    return stale.map((one) => one.eventId);

    function isStale({ epoch }: Given): boolean {
      return epoch <= attempt.epoch;
    }
  }

  /** An eighth at once: one by one, each would cost a walk over the places of those that went before. */
  #forgetOldest(): void {
    for (const [key, given] of this.#steps) {
      if (this.#held <= this.#max - Math.floor(this.#max / 8)) return;
      this.#steps.delete(key);
      this.#held -= given.length;
      this.forgotten += given.length;
    }
  }
}

function stepKey(event: EventOfAttempt, { stepId }: StepEpoch): string {
  return JSON.stringify([scopeOf(event), stepId]);
}
