import { context } from '@opentelemetry/api';
import { Run } from '@spanledger/otel/internal';
import type { WorkflowIdentity } from '@spanledger/protocol';
import { Activity, activityIn } from './activity.ts';
import { runStep } from './run-step.ts';
import { parseStep } from './step.ts';
import type { StepArguments, StepFunction } from './step.ts';
import type { StepOptions } from './workflow-options.ts';

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
   * `SPANLEDGER_VALUE`, `SPANLEDGER_OPTION`, `SPANLEDGER_STEP_ACTIVE` or `SPANLEDGER_ATTEMPTS`, before anything of the attempt is
   * recorded; with `failClosed`, `SPANLEDGER_NOT_DURABLE`, before `fn` is called.
   */
  step<T>(name: string, fn: StepFunction<T>): Promise<T>;
  step<T>(name: string, options: StepOptions, fn: StepFunction<T>): Promise<T>;
}

export class OrchestratedRun implements WorkflowRun {
  readonly runId: string;
  readonly executionId: string;
  readonly workflowId: string | undefined;
  readonly signal: AbortSignal;
  readonly #workflow: Activity;

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
  async step<T>(name: string, ...given: StepArguments<T>): Promise<T> {
    const around = this.#around();
    return runStep(parseStep(name, given), { scope: around.scope, around });
  }

  /** The step around the caller, if it is one of this run's; else the workflow. */
  #around(): Activity {
    const around = activityIn(context.active());
    return around?.scope.run === this.#workflow.scope.run ? around : this.#workflow;
  }
}
