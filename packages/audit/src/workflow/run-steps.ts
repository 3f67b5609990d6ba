import type { Run } from '@spanledger/otel/internal';
import { SpanledgerError } from '@spanledger/protocol';
import type { AttemptRecord } from '@spanledger/protocol';

/** Distinct steps of one run. A step name made of data (a row, a user) would otherwise grow without end (I7). */
const STEPS_MAX = 65_536;

interface StepState {
  /** The newest attempt in this run; `undefined` before the first has its number. */
  last: AttemptRecord | undefined;
  active: boolean;
}

/** One entry into a step, from before it has its number to its end. */
export interface StepEntry {
  /** The newest attempt of the step in this run before this one. */
  readonly last: AttemptRecord | undefined;
  /** It has got its number. */
  begin(epoch: number): void;
  /** Its start has been recorded. */
  started(eventId: string): void;
  leave(): void;
}

/**
 * The steps of one run: which are under way, and how far each has come. Whatever a store says or forgets, no number is used twice
 * in a run.
 */
export class RunSteps {
  readonly #steps = new Map<string, StepState>();

  /**
   * @param wanted the number that the application gives this attempt.
   * @throws SpanledgerError `SPANLEDGER_STEP_ACTIVE` if the attempt before has not ended in this run; `SPANLEDGER_VALUE` if `wanted`
   * is not above those of this run, or for too many steps
   */
  enter(stepId: string, wanted: number | undefined): StepEntry {
    const known = this.#steps.get(stepId);
    if (known?.active) {
      throw new SpanledgerError(
        'SPANLEDGER_STEP_ACTIVE',
        `step ${stepId} is running already in this run: give parallel steps different names`,
      );
    }
    const epoch = known?.last?.epoch ?? 0;
    if (wanted !== undefined && wanted <= epoch) {
      throw new SpanledgerError('SPANLEDGER_VALUE', `attempt of step ${stepId} must be above ${epoch}, got ${wanted}`);
    }
    if (known === undefined && this.#steps.size >= STEPS_MAX) {
      throw new SpanledgerError('SPANLEDGER_VALUE', `a run has at most ${STEPS_MAX} different steps`);
    }
    const state: StepState = known ?? { last: undefined, active: true };
    state.active = true;
    this.#steps.set(stepId, state);
    return entryOf(state);
  }
}

function entryOf(state: StepState): StepEntry {
  const { last } = state;
  let own: number | undefined;
  let isIn = true;
  return {
    last,
    begin(epoch) {
      own = epoch;
      state.last = { epoch };
    },
    started(startedEventId) {
      if (own !== undefined && state.last?.epoch === own) state.last = { epoch: own, startedEventId };
    },
    leave() {
      // Once: a later attempt may be in by now.
      if (isIn) state.active = false;
      isIn = false;
    },
  };
}

const KEY = Symbol.for('@spanledger/audit/run-steps@1');

/** Those of this run: the same for every loaded copy of this package. They live as long as the run. */
export function stepsOf(run: Run): RunSteps {
  const holder = globalThis as { [KEY]?: WeakMap<Run, RunSteps> };
  const byRun = (holder[KEY] ??= new WeakMap());
  const known = byRun.get(run);
  if (known !== undefined) return known;
  const steps = new RunSteps();
  byRun.set(run, steps);
  return steps;
}
