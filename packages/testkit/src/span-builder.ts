import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Attributes, Context, Span, Tracer } from '@opentelemetry/api';

/** A span to be made, with those inside of it. */
export interface SpanPlan {
  readonly name: string;
  /** Default `INTERNAL`. */
  readonly kind?: SpanKind;
  /** Set after the start, as instrumentation does with what it learns on the way. */
  readonly attributes?: Attributes;
  readonly events?: readonly { readonly name: string; readonly attributes?: Attributes }[];
  /** Status `ERROR` with this message. */
  readonly error?: string;
  /** In order, each ended before the next begins. */
  readonly children?: readonly SpanPlan[];
}

/**
 * Makes a span and those inside of it on a real tracer, and ends them, children first.
 *
 * @returns the outermost one, ended.
 */
export function buildSpan(tracer: Tracer, plan: SpanPlan, ctx: Context = ROOT_CONTEXT): Span {
  const { name, kind = SpanKind.INTERNAL, attributes = {}, events = [], error, children = [] } = plan;
  const span = tracer.startSpan(name, { kind }, ctx).setAttributes(attributes);
  for (const event of events) span.addEvent(event.name, event.attributes);
  const inside = trace.setSpan(ctx, span);
  for (const child of children) buildSpan(tracer, child, inside);
  if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
  span.end();
  return span;
}
