import { context } from '@opentelemetry/api';
import type { WorkflowContext } from '@spanledger/otel/internal';
import type { JsonValue, WorkflowIdentity } from '@spanledger/protocol';
import { unlessAborted } from '../emit/durable-start.ts';
import { getPipeline } from '../pipeline/registry.ts';
import { Activity } from './activity.ts';
import { announceAttempt } from './announce-attempt.ts';
import { attemptCounter, claimInRun } from './attempt-counter.ts';
import type { Claim, Known } from './attempt-counter.ts';
import { stepsOf } from './run-steps.ts';
import type { StepEntry } from './run-steps.ts';
import type { Step } from './step.ts';

/** Where a step is run. */
export interface StepPlace {
  readonly scope: WorkflowContext;
  /** What it is a part of, and does not outlive: the step or the workflow around it. An invocation is none. */
  readonly around: Activity | undefined;
}

/** What a header claims beyond this is not counted from: a forged one could use up the numbers of other people's execution. */
const ATTEMPT_AROUND_MAX = 2 ** 31;

/** One try that has its number, and nothing else. */
interface Entered {
  readonly claim: Claim;
  readonly entry: StepEntry;
}

/** One try that is about to be recorded. */
interface Attempt extends Entered {
  readonly activity: Activity;
}

/** Tries a step as often as it says. Where its attempts are counted in this process alone, its start is recorded at once. */
export async function runStep<T>(step: Step<T>, place: StepPlace): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    const entering = enter(step, place, tries === 1 ? step.first : undefined);
    const attempt = createAttempt(step, place, 'then' in entering ? await entering : entering);
    try {
      return await tryOnce(step, attempt, place);
    } catch (error) {
      const { activity } = attempt;
      // An action that could not be put on record has not failed itself.
      const failed = activity.begun && activity.failure(error).status === 'error';
      if (!failed || tries >= step.tries || place.around?.running === false) throw error;
    }
  }
}

function enter(step: Step<unknown>, place: StepPlace, wanted: number | undefined): Entered | Promise<Entered> {
  place.around?.assertRunning();
  const entry = stepsOf(place.scope.run).enter(step.stepId, wanted);
  try {
    const claim = claimAttempt(step, place, { last: entry.last, atLeast: atLeast(place, wanted) });
    return 'then' in claim ? whenClaimed(place, entry, claim) : { entry, claim };
  } catch (error) {
    entry.leave();
    throw error;
  }
}

function claimAttempt({ stepId }: Step<unknown>, { scope }: StepPlace, known: Known): Claim | Promise<Claim> {
  const { executionId } = scope.run;
  if (executionId === undefined) return claimInRun(known);
  return attemptCounter(getPipeline()?.attempts).claim({ executionId, stepId }, known);
}

async function whenClaimed({ around }: StepPlace, entry: StepEntry, claimed: Promise<Claim>): Promise<Entered> {
  try {
    return { entry, claim: await (around === undefined ? claimed : unlessAborted(claimed, around.signal)) };
  } catch (error) {
    entry.leave();
    throw error;
  }
}

/**
 * A step inside another begins with the attempt number of that one at least: where attempts are not counted together, another
 * replica may have had those below.
 */
function atLeast({ scope }: StepPlace, wanted = 1): number {
  const { stepId, attempt = 1 } = scope.workflow;
  return stepId === undefined || attempt > ATTEMPT_AROUND_MAX ? wanted : Math.max(wanted, attempt);
}

/**
 * To be called in the turn in which the attempt is recorded: what is around it may end in any other, and would end this one before
 * its start.
 *
 * @throws what `around` says, if that has ended while the number was asked for
 */
function createAttempt(step: Step<unknown>, { scope, around }: StepPlace, { entry, claim }: Entered): Attempt {
  if (around?.running === false) entry.leave();
  around?.assertRunning();
  const { stepId, stageId } = step;
  const { run, workflow } = scope;
  entry.begin(claim.epoch);
  const identity = { ...workflow, ...(stageId !== undefined && { stageId }), stepId, attempt: claim.epoch };
  const entered = { run, workflow: identity };
  if (claim.epoch > 1) announceAttempt(entered, claim.supersededStart);
  const activity = new Activity({
    name: `step ${stepId}`,
    scope: entered,
    ...(around && { parent: around }),
    onEnd: () => entry.leave(),
  });
  return { activity, claim, entry };
}

async function tryOnce<T>({ durability, fn }: Step<T>, attempt: Attempt, { scope }: StepPlace): Promise<T> {
  const { activity, claim, entry } = attempt;
  const started = (eventId: string | undefined): void => {
    if (eventId === undefined) return;
    entry.started(eventId);
    claim.started(eventId);
  };
  try {
    const parent = parentFields(scope.workflow);
    if (durability === undefined) {
      started(activity.started('workflow_step_started', parent));
    } else {
      started(await activity.startedDurably('workflow_step_started', durability, parent));
      activity.begin();
    }
    const value = await context.with(activity.ctx, () => fn({ attempt: claim.epoch, signal: activity.signal }));
    activity.end('workflow_step_completed', { status: 'ok' });
    return value;
  } catch (error) {
    activity.end('workflow_step_failed', activity.failure(error));
    throw error;
  }
}

/** `fields.parent`: when the step around this one is superseded, so is this one. */
function parentFields({ stepId, attempt }: WorkflowIdentity): Record<string, JsonValue> | undefined {
  if (stepId === undefined || attempt === undefined) return undefined;
  return { parent: { step_id: stepId, attempt_epoch: attempt } };
}
