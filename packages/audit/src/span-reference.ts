import { TraceFlags, isSpanContextValid } from '@opentelemetry/api';
import type { SpanContext } from '@opentelemetry/api';
import type { SpanReference } from './event-input.ts';

/** Where an event of this span is in its trace; `undefined` outside of one (no SDK, or none active). */
export function spanReference(span: SpanContext | undefined, parent?: SpanContext): SpanReference | undefined {
  if (span === undefined || !isSpanContextValid(span)) return undefined;
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    ...(parent !== undefined && isSpanContextValid(parent) && { parentSpanId: parent.spanId }),
    sampled: (span.traceFlags & TraceFlags.SAMPLED) !== 0,
  };
}
