import { trace } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import { processState } from './process-state.ts';
import { getWorkflowContext } from './workflow-context.ts';
import type { WorkflowContext } from './workflow-context.ts';

/**
 * Which workflow context something in `ctx` belongs to: the one that `ctx` carries; else that of its span, because
 * frameworks replace contexts but keep spans; else the instance run. A closed run takes nothing new.
 */
export function workflowOf(ctx: Context): WorkflowContext {
  const { instance, spans } = processState();
  let scope = getWorkflowContext(ctx);
  if (scope === undefined) {
    const span = trace.getSpan(ctx);
    scope = span && spans.get(span);
  }
  return scope === undefined || scope.run.closed ? instance : scope;
}

/**
 * Decides once, at its start, which workflow context a span belongs to. Whichever span processor asks first decides for
 * all: the run is then known from the span, whatever happens to its attributes.
 */
export function linkSpan(span: object, parentContext: Context): WorkflowContext {
  const { spans } = processState();
  const known = spans.get(span);
  if (known !== undefined) return known;
  const scope = workflowOf(parentContext);
  spans.set(span, scope);
  return scope;
}

/** @returns what `linkSpan` decided, or `undefined` for a span that no processor of ours has seen start. */
export function workflowOfSpan(span: object): WorkflowContext | undefined {
  return processState().spans.get(span);
}
