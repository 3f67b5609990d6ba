import { ExecutionAttempts } from './execution-attempts.ts';
import { attemptOf, scopeOf } from './step-epoch.ts';
import type { EventOfAttempt, StepEpoch } from './step-epoch.ts';

const HELD_MAX = 200_000;
const NONE: readonly StepEpoch[] = [];

export interface AttemptIndexOptions {
  /**
   * How much may be held: one for each execution in which a step was tried again or begun inside another, for each such step, and for
   * each part of a last attempt. Default 200,000: about 40 MB. When it is reached, the executions of which nothing new was learnt for
   * longest, an eighth of what is held, are forgotten: their events count as not superseded, until a later attempt is seen again.
   */
  readonly heldMax?: number;
}

/**
 * Knows which events are superseded (DESIGN §6), from whatever events it has seen, in whatever order and however often: an event of a
 * step is, if a higher epoch of that step is known in its execution, or if an attempt that its step was begun in is superseded
 * (`fields.parent` of `workflow_step_started`). An event of no execution is judged within its run; one of no step never is superseded.
 *
 * It believes what events say of themselves. Nothing in them makes it throw.
 */
export class AttemptIndex {
  readonly #heldMax: number;
  /** Those of which something was learnt last come last. */
  readonly #executions = new Map<string, ExecutionAttempts>();
  #held = 0;
  #forgotten = 0;

  constructor({ heldMax = HELD_MAX }: AttemptIndexOptions = {}) {
    this.#heldMax = heldMax;
  }

  /** Executions, and runs of none, that were forgotten. */
  get forgotten(): number {
    return this.#forgotten;
  }

  /** @returns the attempts that are superseded only now, in this event's execution; with each all lower epochs of its step are. */
  see(event: EventOfAttempt): readonly StepEpoch[] {
    const scope = attemptOf(event) && scopeOf(event);
    if (scope === undefined) return NONE;
    const known = this.#executions.get(scope);
    const attempts = known ?? new ExecutionAttempts();
    const before = attempts.size;
    const superseded = attempts.see(event);
    if (superseded.length > 0 || attempts.size !== before) {
      this.#held += attempts.size - before + (known === undefined ? 1 : 0);
      this.#executions.delete(scope);
      this.#executions.set(scope, attempts);
      if (this.#held > this.#heldMax) this.#forgetOldest();
    }
    return superseded;
  }

  /** As far as is known by now: `true` stays true, until its execution is forgotten. */
  isSuperseded(event: EventOfAttempt): boolean {
    const scope = scopeOf(event);
    const attempts = scope === undefined ? undefined : this.#executions.get(scope);
    const attempt = attempts && attemptOf(event);
    return attempt !== undefined && attempts!.isSuperseded(attempt);
  }

  /** An eighth at once: one by one, each would cost a walk over the places of those that went before. */
  #forgetOldest(): void {
    for (const [scope, attempts] of this.#executions) {
      if (this.#held <= this.#heldMax - Math.floor(this.#heldMax / 8)) return;
      this.#executions.delete(scope);
      this.#held -= attempts.size + 1;
      this.#forgotten += 1;
    }
  }
}
