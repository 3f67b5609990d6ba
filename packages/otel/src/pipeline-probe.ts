import { ROOT_CONTEXT, TraceFlags, createContextKey, propagation, trace } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';

/** Which of our parts the registered OpenTelemetry pipeline really has. */
export interface PipelineProbe {
  /** As the outermost one: inside a parent-based sampler it is not asked about the children of what a caller did not sample. */
  sampler: boolean;
  spanProcessor: boolean;
  auditProcessor: boolean;
  propagator: boolean;
  /** As far as `ask` finds it: this package knows nothing of logs. */
  contentProcessor: boolean;
  /** Spans are recorded at all: false with OTEL_SDK_DISABLED, without a provider, or if a sampler that is not ours declines. */
  recording: boolean;
}

const KEY = createContextKey('@spanledger/otel pipeline probe');

/** As a request has it whose caller does not sample. */
const UNSAMPLED_PARENT = trace.setSpanContext(ROOT_CONTEXT, {
  traceId: '1'.padStart(32, '0'),
  spanId: '1'.padStart(16, '0'),
  traceFlags: TraceFlags.NONE,
  isRemote: true,
});

/**
 * Asks the global tracer provider and propagator which of our parts they have, by sending something through them.
 * The spans that it starts are never ended, so they are neither exported nor audited.
 *
 * @param ask asks other providers, with the context that our parts know the probe by.
 */
export function probePipeline(ask?: (ctx: Context) => void): PipelineProbe {
  const seen = probe(ROOT_CONTEXT, ask);
  return { ...seen, sampler: seen.sampler && probe(UNSAMPLED_PARENT).sampler };
}

function probe(parent: Context, ask?: (ctx: Context) => void): PipelineProbe {
  const seen = {
    sampler: false,
    spanProcessor: false,
    auditProcessor: false,
    propagator: false,
    contentProcessor: false,
    recording: false,
  };
  const ctx = parent.setValue(KEY, seen);
  propagation.extract(ctx, {});
  ask?.(ctx);
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
