import { SpanledgerError } from '@spanledger/protocol';
import type { Durability } from '../audit-pipeline.ts';
import { checkCount, checkFailClosed, checkId } from './workflow-options.ts';
import type { StepOptions } from './workflow-options.ts';

/** What a step's function is told. */
export interface StepAttempt {
  /** Which try this is, from 1. */
  readonly attempt: number;
  /** Aborted with the run's, and when the step around this one ends without waiting for it. */
  readonly signal: AbortSignal;
}

export type StepFunction<T> = (step: StepAttempt) => T | PromiseLike<T>;

/** How a step is given: its options may be left out. */
export type StepArguments<T> = readonly [StepFunction<T>] | readonly [StepOptions, StepFunction<T>];

/** A step in parsed form. */
export interface Step<T> {
  readonly stepId: string;
  readonly stageId: string | undefined;
  /** The number that the application gives to the first try. */
  readonly first: number | undefined;
  readonly tries: number;
  /** Of its start, before `fn` is called. */
  readonly durability: Durability | undefined;
  readonly fn: StepFunction<T>;
}

/** `X-Workflow-Step-Id` has no more. */
const STEP_ID_MAX = 128;

/**
 * @param around the step that this one is a phase of.
 * @throws SpanledgerError `SPANLEDGER_VALUE` or `SPANLEDGER_OPTION`
 */
export function parseStep<T>(name: string, given: StepArguments<T>, around?: string): Step<T> {
  const [{ stage, attempt, attempts = 1, failClosed }, fn] = given.length === 1 ? [{} as StepOptions, given[0]] : given;
  return {
    stepId: stepIdOf(name, around),
    stageId: stage === undefined ? undefined : checkId('stage', stage),
    first: attempt === undefined ? undefined : checkCount('attempt', attempt),
    tries: checkCount('attempts', attempts),
    durability: checkFailClosed(failClosed),
    fn,
  };
}

function stepIdOf(name: string, around: string | undefined): string {
  if (around === undefined) return checkId('step', name);
  const stepId = `${around}/${checkId('phase', name)}`;
  if (stepId.length <= STEP_ID_MAX) return stepId;
  throw new SpanledgerError(
    'SPANLEDGER_VALUE',
    `a phase's whole name has at most ${STEP_ID_MAX} characters, and ${stepId} has ${stepId.length}`,
  );
}
