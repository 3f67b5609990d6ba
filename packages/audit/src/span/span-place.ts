import type { HrTime } from '@opentelemetry/api';
import type { Place, SpanReference } from '../event-input.ts';
import { spanReference } from '../span-reference.ts';
import type { SpanView } from './span-view.ts';

/** The start of a span, or another moment in it. */
export function placeAt(span: SpanView, time: HrTime): Place {
  return { time: timeOf(time), span: referenceOf(span) };
}

export function placeAtEnd(span: SpanView): Place {
  return { time: timeOf(span.endTime), span: referenceOf(span), durationMs: durationOf(span.duration) };
}

function referenceOf(span: SpanView): SpanReference {
  return spanReference(span.spanContext(), span.parentSpanContext);
}

/** The copy is ours (I1). A time that is none is found where it is written. */
function timeOf([seconds, nanos]: HrTime): HrTime {
  return [seconds, nanos];
}

function durationOf([seconds, nanos]: HrTime): number | undefined {
  const durationMs = seconds * 1000 + nanos / 1_000_000;
  return durationMs >= 0 && Number.isFinite(durationMs) ? durationMs : undefined;
}
