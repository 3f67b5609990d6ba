import { context } from '@opentelemetry/api';
import { Run } from '@spanledger/otel/internal';
import type { JsonValue, WorkflowIdentity } from '@spanledger/protocol';
import type { Durability } from '../audit-pipeline.ts';
import { Activity, activityIn } from './activity.ts';
import { StepEpochs } from './step-epochs.ts';
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

/** One execution of a workflow, in the hands of its orchestrator. */
export interface WorkflowRun {
  /** UUIDv7: this orchestrator's run in the ledger. */
  readonly runId: string;
  readonly executionId: string;
  readonly workflowId: string | undefined;
  /** Aborted when the workflow is cancelled. */
  readonly signal: AbortSignal;

  /**
   * Runs one step. Steps may run in parallel and inside each other; each has a name of its own. When a step is done, steps that
   * still run inside of it are closed as cancelled.
   *
   * @returns what `fn` returns.
   * @throws what `fn` throws, unchanged; the reason of the signal around it once that is aborted; SpanledgerError
   * `SPANLEDGER_VALUE`, `SPANLEDGER_OPTION` or `SPANLEDGER_STEP_ACTIVE`, before anything is recorded; with `failClosed`,
   * `SPANLEDGER_NOT_DURABLE`, before `fn` is called.
   */
  step<T>(name: string, fn: StepFunction<T>): Promise<T>;
  step<T>(name: string, options: StepOptions, fn: StepFunction<T>): Promise<T>;
}

type Fields = Record<string, JsonValue>;

/** A step in parsed form. */
interface Step<T> {
  readonly stepId: string;
  readonly stageId: string | undefined;
  /** Of its start, before `fn` is called. */
  readonly durability: Durability | undefined;
  readonly fn: StepFunction<T>;
}

export class OrchestratedRun implements WorkflowRun {
  readonly runId: string;
  readonly executionId: string;
  readonly workflowId: string | undefined;
  readonly signal: AbortSignal;
  readonly #workflow: Activity;
  readonly #epochs = new StepEpochs();

  constructor(identity: WorkflowIdentity & { readonly executionId: string }) {
    const run = new Run('workflow', identity);
    run.claimLifecycle();
    const name = `workflow ${identity.workflowId ?? 'run'}`;
    this.#workflow = new Activity({ name, scope: { run, workflow: identity } });
    this.runId = run.id;
    this.executionId = identity.executionId;
    this.workflowId = identity.workflowId;
    this.signal = this.#workflow.signal;
  }

  /** Runs the whole workflow, once. */
  async execute<T>(fn: (run: WorkflowRun) => T | PromiseLike<T>, cancel: AbortSignal | undefined): Promise<T> {
    const workflow = this.#workflow;
    const abort = (): void => workflow.abort(cancel?.reason);
    cancel?.addEventListener('abort', abort, { once: true });
    workflow.started('workflow_started');
    try {
      if (cancel?.aborted) abort();
      workflow.assertRunning();
      const value = await context.with(workflow.ctx, () => fn(this));
      workflow.end('workflow_complete', { status: 'ok' });
      return value;
    } catch (error) {
      const end = workflow.failure(error);
      workflow.end(end.status === 'cancelled' ? 'workflow_cancelled' : 'workflow_failed', end);
      throw error;
    } finally {
      cancel?.removeEventListener('abort', abort);
      workflow.scope.run.markTerminal();
    }
  }

  step<T>(name: string, fn: StepFunction<T>): Promise<T>;
  step<T>(name: string, options: StepOptions, fn: StepFunction<T>): Promise<T>;
  async step<T>(
    name: string,
    ...rest: readonly [StepFunction<T>] | readonly [StepOptions, StepFunction<T>]
  ): Promise<T> {
    const [{ stage, attempt, attempts = 1, failClosed }, fn] = rest.length === 1 ? [{} as StepOptions, rest[0]] : rest;
    const step: Step<T> = {
      stepId: checkId('step', name),
      stageId: stage === undefined ? undefined : checkId('stage', stage),
      durability: checkFailClosed(failClosed),
      fn,
    };
    const first = attempt === undefined ? undefined : checkCount('attempt', attempt);
    return this.#tryRepeatedly(step, this.#around(), checkCount('attempts', attempts), first);
  }

  /** The step around the caller, if it is one of this run's; else the workflow. */
  #around(): Activity {
    const around = activityIn(context.active());
    return around?.scope.run === this.#workflow.scope.run ? around : this.#workflow;
  }

  async #tryRepeatedly<T>(step: Step<T>, around: Activity, attempts: number, first: number | undefined): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      const activity = this.#begin(step, around, tries === 1 ? first : undefined);
      try {
        return await this.#tryOnce(step, activity, parentFields(around.scope.workflow));
      } catch (error) {
        // An action that could not be put on record has not failed itself.
        const failed = activity.begun && activity.failure(error).status === 'error';
        if (!failed || tries >= attempts || !around.running) throw error;
      }
    }
  }

  #begin({ stepId, stageId }: Step<unknown>, around: Activity, wanted: number | undefined): Activity {
    around.assertRunning();
    const attempt = this.#epochs.enter(stepId, wanted);
    const { run, workflow } = around.scope;
    return new Activity({
      name: `step ${stepId}`,
      scope: { run, workflow: { ...workflow, ...(stageId !== undefined && { stageId }), stepId, attempt } },
      parent: around,
      onEnd: () => this.#epochs.leave(stepId),
    });
  }

  async #tryOnce<T>({ durability, fn }: Step<T>, activity: Activity, parent: Fields | undefined): Promise<T> {
    const { attempt = 1 } = activity.scope.workflow;
    try {
      if (durability === undefined) {
        activity.started('workflow_step_started', parent);
      } else {
        await activity.startedDurably('workflow_step_started', durability, parent);
        activity.begin();
      }
      const value = await context.with(activity.ctx, () => fn({ attempt, signal: activity.signal }));
      activity.end('workflow_step_completed', { status: 'ok' });
      return value;
    } catch (error) {
      activity.end('workflow_step_failed', activity.failure(error));
      throw error;
    }
  }
}

/** `fields.parent`: when the step around this one is superseded, so is this one. */
function parentFields({ stepId, attempt }: WorkflowIdentity): Fields | undefined {
  if (stepId === undefined || attempt === undefined) return undefined;
  return { parent: { step_id: stepId, attempt_epoch: attempt } };
}
