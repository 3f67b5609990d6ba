import { context } from '@opentelemetry/api';
import type { Context, TextMapGetter } from '@opentelemetry/api';
import { carrierGetter } from './carriers.ts';
import { workflowOfCarrier } from './inbound.ts';
import { setWorkflowContext } from './workflow-context.ts';

/**
 * Puts the workflow context of an inbound carrier on `ctx` (default: the active context). Trace context is left alone, so
 * that a middleware can call it inside the server span. The trust gate is that of the `WorkflowPropagator` of this
 * process; without one, headers are believed.
 *
 * @param carrier Node's request headers, `Headers`, a `Map`, NATS message headers, MCP `_meta`; or what `getter` reads.
 */
export function extractWorkflow<C>(
  carrier: C,
  getter: TextMapGetter<C> = carrierGetter,
  ctx: Context = context.active(),
): Context {
  return setWorkflowContext(ctx, workflowOfCarrier(carrier, getter));
}
