import { TraceFlags, isSpanContextValid } from '@opentelemetry/api';
import type { SpanContext } from '@opentelemetry/api';
import type { SpanReference } from './event-input.ts';

/**
 * Where an event of this span is in its trace.
 *
 * @param span of a span that an SDK made: its ids are sound, and the SDK has checked the parent's before it took them.
 */
export function spanReference({ traceId, spanId, traceFlags }: SpanContext, parent?: SpanContext): SpanReference {
  return { traceId, spanId, parentSpanId: parent?.spanId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 };
}

/** The same for a context that anyone may have set; `undefined` outside of a trace (no SDK, or no span active). */
export function validReference(span: SpanContext | undefined, parent?: SpanContext): SpanReference | undefined {
  if (span === undefined || !isSpanContextValid(span)) return undefined;
  // Without an SDK, a new span is the one around it.
  const known = parent !== undefined && isSpanContextValid(parent) && parent.spanId !== span.spanId;
  return spanReference(span, known ? parent : undefined);
}
