import { context } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import type { WorkflowIdentity } from '@spanledger/protocol';
import { workflowOf } from './link-span.ts';
import { setWorkflowContext } from './workflow-context.ts';

/** The identity in force, and the run that events are written to. */
export interface CurrentWorkflow extends WorkflowIdentity {
  /** UUIDv7. */
  readonly runId: string;
}

/** @returns where `ctx` (default: the active context) is, or `undefined` outside of every request, message and workflow. */
export function currentWorkflow(ctx: Context = context.active()): CurrentWorkflow | undefined {
  const { run, workflow } = workflowOf(ctx);
  return run.origin === 'instance' ? undefined : { ...workflow, runId: run.id };
}

/**
 * Binds a callback to where we are now: give the result to a queue, a timer or an emitter, which would otherwise call it
 * from nowhere, or from another request.
 */
export function bindWorkflow<A extends unknown[], R>(fn: (...args: A) => R): (...args: A) => R {
  const ctx = context.active();
  const bound = setWorkflowContext(ctx, workflowOf(ctx));
  return (...args) => context.with(bound, fn, undefined, ...args);
}

/**
 * Says that the caller of this request or message is now known to be who it says it is, where that takes longer than
 * `trustInbound` can wait. It counts for the events that follow; it does not bring back headers that were not trusted.
 */
export function verifyCaller(ctx: Context = context.active()): void {
  const { run } = workflowOf(ctx);
  if (run.origin === 'carrier') run.callerVerified = true;
}
