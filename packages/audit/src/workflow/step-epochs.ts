import { SpanledgerError } from '@spanledger/protocol';

/** Distinct steps of one run. A step name made of data (a row, a user) would otherwise grow without end (I7). */
const STEPS_MAX = 65_536;

/**
 * Counts the attempts of each step of a run. Epochs only grow; one is never used twice.
 *
 * It knows this process only: who resumes an execution elsewhere gives the attempt.
 */
export class StepEpochs {
  readonly #last = new Map<string, number>();
  readonly #active = new Set<string>();

  /** @throws SpanledgerError `SPANLEDGER_STEP_ACTIVE` */
  enter(stepId: string): void {
    if (this.#active.has(stepId)) {
      throw new SpanledgerError(
        'SPANLEDGER_STEP_ACTIVE',
        `step ${stepId} is running already in this run: give parallel steps different names`,
      );
    }
    this.#active.add(stepId);
  }

  leave(stepId: string): void {
    this.#active.delete(stepId);
  }

  /** @throws SpanledgerError `SPANLEDGER_VALUE` for an epoch that has been used, or too many steps */
  next(stepId: string, wanted: number | undefined): number {
    const last = this.#last.get(stepId) ?? 0;
    const epoch = wanted ?? last + 1;
    if (epoch <= last) {
      throw new SpanledgerError('SPANLEDGER_VALUE', `attempt of step ${stepId} must be above ${last}, got ${epoch}`);
    }
    if (last === 0 && this.#last.size >= STEPS_MAX) {
      throw new SpanledgerError('SPANLEDGER_VALUE', `a run has at most ${STEPS_MAX} different steps`);
    }
    this.#last.set(stepId, epoch);
    return epoch;
  }
}
