import { ROOT_CONTEXT, createContextKey, propagation, trace } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';

/** Which of our parts the registered OpenTelemetry pipeline really has. */
export interface PipelineProbe {
  sampler: boolean;
  spanProcessor: boolean;
  auditProcessor: boolean;
  propagator: boolean;
  /** Spans are recorded at all: false with OTEL_SDK_DISABLED, without a provider, or if a sampler that is not ours declines. */
  recording: boolean;
}

const KEY = createContextKey('@spanledger/otel pipeline probe');

/**
 * Asks the global tracer provider and propagator which of our parts they have, by sending something through them.
 * The span that it starts is never ended, so it is neither exported nor audited.
 */
export function probePipeline(): PipelineProbe {
  const seen = { sampler: false, spanProcessor: false, auditProcessor: false, propagator: false, recording: false };
  const ctx = ROOT_CONTEXT.setValue(KEY, seen);
  propagation.extract(ctx, {});
  seen.recording = trace.getTracer('@spanledger/otel').startSpan('spanledger probe', {}, ctx).isRecording();
  return seen;
}

/**
 * Called by each part of ours first thing, with the context that it is given.
 *
 * @returns whether this is the probe, which is to be left alone otherwise.
 */
export function markProbe(ctx: Context, part: Exclude<keyof PipelineProbe, 'recording'>): boolean {
  const seen = ctx.getValue(KEY) as PipelineProbe | undefined;
  if (seen === undefined) return false;
  seen[part] = true;
  return true;
}
