import { context, createContextKey } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import type { WorkflowIdentity } from '@spanledger/protocol';
import type { Run } from './run.ts';

/**
 * What the OpenTelemetry context carries for us: the run that events belong to, and the identity in force here.
 * Steps of one run share the run and differ in identity.
 */
export interface WorkflowContext {
  readonly run: Run;
  readonly workflow: WorkflowIdentity;
}

// `createContextKey` is `Symbol.for`: the description is a global name, shared by every copy of this package.
const KEY = createContextKey('@spanledger/otel workflow context');

/** @returns the workflow context that `ctx` (default: the active context) carries, if any. */
export function getWorkflowContext(ctx: Context = context.active()): WorkflowContext | undefined {
  return ctx.getValue(KEY) as WorkflowContext | undefined;
}

export function setWorkflowContext(ctx: Context, value: WorkflowContext): Context {
  return ctx.setValue(KEY, value);
}

/** Whether this identity is of a workflow. A caller's name alone is not: any client may send one. */
export function isInWorkflow(identity: WorkflowIdentity): boolean {
  return (
    identity.executionId !== undefined ||
    identity.workflowId !== undefined ||
    identity.stepId !== undefined ||
    identity.stageId !== undefined ||
    identity.attempt !== undefined
  );
}
