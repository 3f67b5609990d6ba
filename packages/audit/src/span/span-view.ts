import type { Attributes, HrTime, SpanContext, SpanKind, SpanStatus } from '@opentelemetry/api';

/**
 * What we read of a span. SDK 2.x and 3.x export the same shape from different packages, so the shape is
 * named here and neither is depended on. A started span has it too, with `ended: false` and no end time yet.
 */
export interface SpanView {
  readonly name: string;
  readonly kind: SpanKind;
  spanContext(): SpanContext;
  readonly parentSpanContext?: SpanContext;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly duration: HrTime;
  readonly ended: boolean;
  readonly status: SpanStatus;
  readonly attributes: Attributes;
  readonly events: readonly SpanEventView[];
  readonly droppedEventsCount: number;
  readonly instrumentationScope: { readonly name: string };
}

export interface SpanEventView {
  readonly name: string;
  readonly time: HrTime;
  readonly attributes?: Attributes;
}
