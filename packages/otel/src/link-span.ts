import { trace } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import { processState } from './process-state.ts';
import { getWorkflowContext } from './workflow-context.ts';
import type { WorkflowContext } from './workflow-context.ts';

/**
 * Where a span keeps its workflow context. A property and not a `WeakMap` keyed by the span: it lives exactly as long, every
 * copy of this package finds it, and it costs a tenth, on every span of the process.
 */
const LINK = Symbol.for('@spanledger/otel/workflow-context@1');

interface Linked {
  [LINK]?: WorkflowContext;
}

/**
 * Which workflow context something in `ctx` belongs to: the one that `ctx` carries; else that of its span, because
 * frameworks replace contexts but keep spans; else the instance run. A closed run takes nothing new.
 */
export function workflowOf(ctx: Context): WorkflowContext {
  const scope = getWorkflowContext(ctx) ?? (trace.getSpan(ctx) as Linked | undefined)?.[LINK];
  return scope === undefined || scope.run.closed ? processState().instance : scope;
}

/**
 * Decides once, at its start, which workflow context a span belongs to. Whichever span processor asks first decides for
 * all: the run is then known from the span, whatever happens to its attributes.
 */
export function linkSpan(span: object, parentContext: Context): WorkflowContext {
  return ((span as Linked)[LINK] ??= workflowOf(parentContext));
}

/** @returns what `linkSpan` decided, or `undefined` for a span that no processor of ours has seen start. */
export function workflowOfSpan(span: object): WorkflowContext | undefined {
  return (span as Linked)[LINK];
}
