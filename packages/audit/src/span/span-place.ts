import { TraceFlags } from '@opentelemetry/api';
import type { HrTime } from '@opentelemetry/api';
import type { EventInput, SpanReference } from '../event-input.ts';
import type { SpanView } from './span-view.ts';

/** When and where in its trace something happened. */
export type Place = Pick<EventInput, 'time' | 'span' | 'durationMs'>;

/** The start of a span, or another moment in it. */
export function placeAt(span: SpanView, time: HrTime): Place {
  return { time: timeOf(time), span: referenceOf(span) };
}

export function placeAtEnd(span: SpanView): Place {
  return { time: timeOf(span.endTime), span: referenceOf(span), durationMs: durationOf(span.duration) };
}

/** The SDK checks a parent's ids before it makes them a span's, and its own are sound. */
function referenceOf(span: SpanView): SpanReference {
  const { traceId, spanId, traceFlags } = span.spanContext();
  const sampled = (traceFlags & TraceFlags.SAMPLED) !== 0;
  return { traceId, spanId, parentSpanId: span.parentSpanContext?.spanId, sampled };
}

/** The copy is ours (I1). A time that is none is found where it is written. */
function timeOf([seconds, nanos]: HrTime): HrTime {
  return [seconds, nanos];
}

function durationOf([seconds, nanos]: HrTime): number | undefined {
  const durationMs = seconds * 1000 + nanos / 1_000_000;
  return durationMs >= 0 && Number.isFinite(durationMs) ? durationMs : undefined;
}
