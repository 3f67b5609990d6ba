import { AuditSpanProcessor, GenAiContentProcessor } from '@spanledger/audit';
import type { AuditPipeline } from '@spanledger/audit';
import { WorkflowPropagator, WorkflowSampler, WorkflowSpanProcessor } from '@spanledger/otel';
import { core } from '@opentelemetry/sdk-node';
import type { NodeSDKConfiguration } from '@opentelemetry/sdk-node';
import { AlwaysOnSampler, ParentBasedSampler } from '@opentelemetry/sdk-trace';
import { logRecordProcessorsOf, propagatorsOf, samplerOf, spanProcessorsOf } from './otel-environment.ts';
import type { ResolvedConfig } from './resolve-config.ts';

/**
 * Adds our sampler, span processors, propagator and, for transcripts of spans, log record processor to what the configuration has, or the environment means. Nothing that was
 * there is gone. Ours come first among the processors, so that the others export stamped spans, and what they do to a span at
 * its end is not in the ledger.
 */
export function addParts(
  config: ResolvedConfig,
  pipeline: AuditPipeline,
  sdkConfig: Partial<NodeSDKConfiguration>,
): Partial<NodeSDKConfiguration> {
  const { producer, trustInbound, outbound, audit: rules, record } = config;
  // The deprecated ways to give processors are in `spanProcessors` from here on.
  const { spanProcessor: _one, traceExporter: _exporter, ...rest } = sdkConfig;
  const delegate = samplerOf(sdkConfig) ?? new ParentBasedSampler({ root: new AlwaysOnSampler() });
  return {
    ...rest,
    ...(pipeline.transcripts.ofSpans && {
      logRecordProcessors: [new GenAiContentProcessor({ pipeline }), ...logRecordProcessorsOf(sdkConfig)],
    }),
    sampler: new WorkflowSampler(delegate, { record }),
    spanProcessors: [
      new WorkflowSpanProcessor(),
      new AuditSpanProcessor({ pipeline, rules }),
      ...spanProcessorsOf(sdkConfig),
    ],
    textMapPropagator: new core.CompositePropagator({
      propagators: [...propagatorsOf(sdkConfig), new WorkflowPropagator({ producer, trustInbound, outbound })],
    }),
  };
}
