import { context } from '@opentelemetry/api';
import { Run, getWorkflowContext } from '@spanledger/otel';
import type { WorkflowContext } from '@spanledger/otel';
import type { JsonValue, WorkflowIdentity } from '@spanledger/protocol';
import { Activity } from './activity.ts';
import type { ActivityEnd } from './activity.ts';
import { StepEpochs } from './step-epochs.ts';
import { checkCount, checkId } from './workflow-options.ts';
import type { StepOptions } from './workflow-options.ts';

/** What a step's function is told. */
export interface StepAttempt {
  /** Which try this is, from 1. */
  readonly attempt: number;
  /** The run's signal. */
  readonly signal: AbortSignal;
}

export type StepFunction<T> = (step: StepAttempt) => T | PromiseLike<T>;

/** One execution of a workflow, in the hands of its orchestrator. */
export interface WorkflowRun {
  /** UUIDv7: this orchestrator's run in the ledger. */
  readonly runId: string;
  readonly executionId: string;
  readonly workflowId: string | undefined;
  /** Aborted when the workflow is cancelled, and when it ends: give it to whatever should not outlive it. */
  readonly signal: AbortSignal;

  /**
   * Runs one step. Steps may run in parallel and inside each other; each has a name of its own.
   *
   * @returns what `fn` returns.
   * @throws what `fn` throws, unchanged; the signal's reason once it is aborted; SpanledgerError `SPANLEDGER_VALUE` or
   * `SPANLEDGER_STEP_ACTIVE`, before anything is recorded.
   */
  step<T>(name: string, fn: StepFunction<T>): Promise<T>;
  step<T>(name: string, options: StepOptions, fn: StepFunction<T>): Promise<T>;
}

/** A step in parsed form. */
interface Step {
  readonly stepId: string;
  readonly stageId: string | undefined;
}

export class OrchestratedRun implements WorkflowRun {
  readonly runId: string;
  readonly executionId: string;
  readonly workflowId: string | undefined;
  readonly signal: AbortSignal;
  readonly #scope: WorkflowContext;
  readonly #controller = new AbortController();
  readonly #epochs = new StepEpochs();
  /** In the order in which they started. */
  readonly #inFlight = new Set<Activity>();

  constructor(identity: WorkflowIdentity & { readonly executionId: string }) {
    const run = new Run('workflow', identity);
    run.claimLifecycle();
    this.#scope = { run, workflow: identity };
    this.runId = run.id;
    this.executionId = identity.executionId;
    this.workflowId = identity.workflowId;
    this.signal = this.#controller.signal;
  }

  /** Runs the whole workflow, once. */
  async execute<T>(fn: (run: WorkflowRun) => T | PromiseLike<T>, cancel: AbortSignal | undefined): Promise<T> {
    const workflow = new Activity(`workflow ${this.workflowId ?? 'run'}`, this.#scope);
    workflow.started('workflow_started');
    const abort = (): void => this.#controller.abort(cancel?.reason);
    cancel?.addEventListener('abort', abort, { once: true });
    if (cancel?.aborted) abort();
    try {
      this.signal.throwIfAborted();
      const value = await context.with(workflow.ctx, () => fn(this));
      this.#finish(workflow, 'workflow_complete', { status: 'ok' });
      return value;
    } catch (error) {
      const end = this.#failure(error);
      this.#finish(workflow, end.status === 'cancelled' ? 'workflow_cancelled' : 'workflow_failed', end);
      throw error;
    } finally {
      cancel?.removeEventListener('abort', abort);
    }
  }

  step<T>(name: string, fn: StepFunction<T>): Promise<T>;
  step<T>(name: string, options: StepOptions, fn: StepFunction<T>): Promise<T>;
  async step<T>(
    name: string,
    ...rest: readonly [StepFunction<T>] | readonly [StepOptions, StepFunction<T>]
  ): Promise<T> {
    const [options, fn] = rest.length === 1 ? [{}, rest[0]] : rest;
    const { stage, attempts = 1, attempt } = options;
    const step: Step = {
      stepId: checkId('step', name),
      stageId: stage === undefined ? undefined : checkId('stage', stage),
    };
    const first = attempt === undefined ? undefined : checkCount('attempt', attempt);
    return this.#tryRepeatedly(step, fn, checkCount('attempts', attempts), first);
  }

  async #tryRepeatedly<T>(step: Step, fn: StepFunction<T>, attempts: number, first: number | undefined): Promise<T> {
    this.#epochs.enter(step.stepId);
    try {
      for (let tries = 1; ; tries += 1) {
        this.signal.throwIfAborted();
        const attempt = this.#epochs.next(step.stepId, tries === 1 ? first : undefined);
        try {
          return await this.#tryOnce(step, attempt, fn);
        } catch (error) {
          if (tries >= attempts || this.#failure(error).status === 'cancelled') throw error;
        }
      }
    } finally {
      this.#epochs.leave(step.stepId);
    }
  }

  async #tryOnce<T>({ stepId, stageId }: Step, attempt: number, fn: StepFunction<T>): Promise<T> {
    const around = this.#identityAround();
    const workflow = { ...around, ...(stageId !== undefined && { stageId }), stepId, attempt };
    const activity = new Activity(`step ${stepId}`, { run: this.#scope.run, workflow });
    activity.started('workflow_step_started', parentFields(around));
    this.#inFlight.add(activity);
    try {
      const value = await context.with(activity.ctx, () => fn({ attempt, signal: this.signal }));
      activity.end('workflow_step_completed', { status: 'ok' });
      return value;
    } catch (error) {
      activity.end('workflow_step_failed', this.#failure(error));
      throw error;
    } finally {
      this.#inFlight.delete(activity);
    }
  }

  /** Identity of the step around the caller, if it is one of this run's; else the workflow's own. */
  #identityAround(): WorkflowIdentity {
    const around = getWorkflowContext();
    return around?.run === this.#scope.run ? around.workflow : this.#scope.workflow;
  }

  #failure(error: unknown): ActivityEnd & { readonly status: 'error' | 'cancelled' } {
    const aborted = this.signal.aborted && error === this.signal.reason;
    const cancelled = aborted || (error instanceof Error && error.name === 'AbortError');
    return { status: cancelled ? 'cancelled' : 'error', error };
  }

  /** Nothing of a run follows its terminal event: steps that nobody has waited for end before it, inner ones first. */
  #finish(workflow: Activity, event: string, end: ActivityEnd): void {
    if (!this.signal.aborted) this.#controller.abort(new DOMException('the workflow has ended', 'AbortError'));
    for (const activity of [...this.#inFlight].reverse()) {
      activity.end('workflow_step_failed', { status: 'cancelled', error: this.signal.reason });
    }
    workflow.end(event, end);
    this.#scope.run.markTerminal();
  }
}

/** `fields.parent`: when the step around this one is superseded, so is this one. */
function parentFields({ stepId, attempt }: WorkflowIdentity): Record<string, JsonValue> | undefined {
  if (stepId === undefined || attempt === undefined) return undefined;
  return { parent: { step_id: stepId, attempt_epoch: attempt } };
}
