import { SpanledgerError } from '@spanledger/protocol';

/** Distinct steps of one run. A step name made of data (a row, a user) would otherwise grow without end (I7). */
const STEPS_MAX = 65_536;

interface StepState {
  epoch: number;
  active: boolean;
}

/**
 * Counts the attempts of each step of a run. Epochs only grow; one is never used twice.
 *
 * It knows this process only: who resumes an execution elsewhere gives the attempt.
 */
export class StepEpochs {
  readonly #steps = new Map<string, StepState>();

  /**
   * Begins an attempt. @returns its epoch.
   *
   * @throws SpanledgerError `SPANLEDGER_STEP_ACTIVE` if the one before has not ended; `SPANLEDGER_VALUE` if `wanted` has been used,
   * or for too many steps
   */
  enter(stepId: string, wanted: number | undefined): number {
    const state = this.#steps.get(stepId) ?? { epoch: 0, active: false };
    const epoch = wanted ?? state.epoch + 1;
    if (state.active) {
      throw new SpanledgerError(
        'SPANLEDGER_STEP_ACTIVE',
        `step ${stepId} is running already in this run: give parallel steps different names`,
      );
    }
    if (epoch <= state.epoch) {
      throw new SpanledgerError(
        'SPANLEDGER_VALUE',
        `attempt of step ${stepId} must be above ${state.epoch}, got ${epoch}`,
      );
    }
    if (state.epoch === 0 && this.#steps.size >= STEPS_MAX) {
      throw new SpanledgerError('SPANLEDGER_VALUE', `a run has at most ${STEPS_MAX} different steps`);
    }
    this.#steps.set(stepId, { epoch, active: true });
    return epoch;
  }

  leave(stepId: string): void {
    const state = this.#steps.get(stepId);
    if (state !== undefined) state.active = false;
  }
}
