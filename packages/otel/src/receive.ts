import { context, propagation, trace } from '@opentelemetry/api';
import type { Context, TextMapGetter } from '@opentelemetry/api';
import { isAbortError } from './abort-error.ts';
import { carrierGetter } from './carriers.ts';
import { logger } from './diagnostics.ts';
import { extractWorkflow } from './extract-workflow.ts';
import { beginRun } from './run-lifecycle.ts';
import type { RunOutcome } from './run-lifecycle.ts';
import { getWorkflowContext } from './workflow-context.ts';
import type { WorkflowContext } from './workflow-context.ts';

/**
 * Handles one inbound message: runs `fn` in a run of its own, in the trace and the workflow that the carrier names, and
 * announces begin and end of the run unless the entry span of an instrumentation does. One carrier object is one run.
 *
 * @returns what `fn` returns. What it throws is thrown on; an `AbortError` ends the run as cancelled.
 */
export async function receive<T, C>(
  carrier: C,
  fn: () => T | Promise<T>,
  getter: TextMapGetter<C> = carrierGetter,
): Promise<T> {
  const ctx = extractWorkflow(carrier, getter, traceOf(carrier, getter));
  const scope = getWorkflowContext(ctx) as WorkflowContext;
  const end = beginRun(scope) ?? ((outcome: RunOutcome) => void (scope.run.outcome = outcome));
  try {
    const result = await context.with(ctx, fn);
    end({ status: 'ok' });
    return result;
  } catch (error) {
    end(isAbortError(error) ? { status: 'cancelled', reason: error.message } : { status: 'error', error });
    throw error;
  }
}

/** The trace that the carrier names, unless a consumer span of that trace is active already. */
function traceOf<C>(carrier: C, getter: TextMapGetter<C>): Context {
  const active = context.active();
  try {
    const extracted = propagation.extract(active, carrier, getter);
    const remoteTrace = trace.getSpanContext(extracted)?.traceId;
    return remoteTrace === trace.getSpanContext(active)?.traceId ? active : extracted;
  } catch (error) {
    logger.warn('the trace context of a message could not be read:', error); // I5: the message is handled all the same
    return active;
  }
}
