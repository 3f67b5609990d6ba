import type { HrTime } from '@opentelemetry/api';
import type { EventInput } from '../event-input.ts';
import { spanReference } from '../span-reference.ts';
import type { SpanView } from './span-view.ts';

/** When and where in its trace something happened. */
export type Place = Pick<EventInput, 'time' | 'span' | 'durationMs'>;

/** The start of a span, or another moment in it. */
export function placeAt(span: SpanView, time: HrTime): Place {
  const reference = spanReference(span.spanContext(), span.parentSpanContext);
  return { ...timeOf(time), ...(reference && { span: reference }) };
}

export function placeAtEnd(span: SpanView): Place {
  return { ...placeAt(span, span.endTime), ...durationOf(span.duration) };
}

/** A time that an application gave and that is none is left to the pipeline: now. The copy is ours (I1). */
function timeOf([seconds, nanos]: HrTime): Pick<Place, 'time'> {
  return Number.isFinite(seconds) && seconds >= 0 && Number.isFinite(nanos) ? { time: [seconds, nanos] } : {};
}

function durationOf([seconds, nanos]: HrTime): Pick<Place, 'durationMs'> {
  const durationMs = seconds * 1000 + nanos / 1_000_000;
  return durationMs >= 0 && Number.isFinite(durationMs) ? { durationMs } : {};
}
