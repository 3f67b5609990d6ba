// The SDK's own reading of the environment. NodeSDK asks it for what its caller leaves out, and forgets it for what its
// caller gives; to add to the environment's meaning, we must ask as well. These modules are not in the SDK's index: hence
// the exact version in our package.json. Writing the same meaning a second time would drift.
import {
  createBatchSpanProcessorFromEnv,
  createSamplerFromEnv,
} from '@opentelemetry/sdk-node/build/src/create-from-env.js';
import { getPropagatorFromEnv, getSpanProcessorsFromEnv } from '@opentelemetry/sdk-node/build/src/utils.js';
import { NodeSDK, core, resources } from '@opentelemetry/sdk-node';
import type { NodeSDKConfiguration } from '@opentelemetry/sdk-node';
import type { TextMapPropagator } from '@opentelemetry/api';

type SdkConfig = Partial<NodeSDKConfiguration>;
type SpanProcessor = NonNullable<NodeSDKConfiguration['spanProcessors']>[number];
type LogRecordProcessor = NonNullable<NodeSDKConfiguration['logRecordProcessors']>[number];

/** The span processors that NodeSDK would have with this configuration. */
export function spanProcessorsOf(config: SdkConfig): SpanProcessor[] {
  if (config.spanProcessors) return [...config.spanProcessors];
  if (config.spanProcessor) return [config.spanProcessor];
  if (config.traceExporter) return [createBatchSpanProcessorFromEnv(config.traceExporter)];
  return getSpanProcessorsFromEnv(undefined);
}

/** The log record processors that NodeSDK would have. */
export function logRecordProcessorsOf(config: SdkConfig): LogRecordProcessor[] {
  if (config.logRecordProcessors) return [...config.logRecordProcessors];
  if (config.logRecordProcessor) return [config.logRecordProcessor];
  // There is no function for these: a method of an SDK that is never made is asked.
  const reading = Object.create(NodeSDK.prototype) as LogsFromEnv;
  reading.configureLoggerProviderFromEnv(undefined);
  const { _loggerProviderConfig: read } = reading;
  return read?.logRecordProcessors ?? [];
}

interface LogsFromEnv {
  configureLoggerProviderFromEnv(meterProvider: undefined): void;
  readonly _loggerProviderConfig?: { readonly logRecordProcessors: LogRecordProcessor[] };
}

/** The sampler that NodeSDK would have; `undefined` for the SDK's default, parent-based always-on. */
export function samplerOf(config: SdkConfig): NodeSDKConfiguration['sampler'] | undefined {
  return config.sampler ?? createSamplerFromEnv();
}

/** The propagators that NodeSDK would have: none if it was told so by `null` or OTEL_PROPAGATORS=none. */
export function propagatorsOf(config: SdkConfig): TextMapPropagator[] {
  const given = config.textMapPropagator === undefined ? getPropagatorFromEnv() : config.textMapPropagator;
  if (given === undefined) return [new core.W3CTraceContextPropagator(), new core.W3CBaggagePropagator()];
  return given === null ? [] : [given];
}

/**
 * What `start()` leaves out of the SDK. Its exporters are on by default, and send to localhost:4318; for a service that only
 * wants its audit events, we turn each one on when the environment mentions it.
 */
export function exportersNotAskedFor(): SdkConfig {
  return {
    ...(!isAskedFor('TRACES') && { spanProcessors: [] }),
    ...(!isAskedFor('METRICS') && { metricReaders: [] }),
    ...(!isAskedFor('LOGS') && { logRecordProcessors: [] }),
  };
}

function isAskedFor(signal: 'TRACES' | 'METRICS' | 'LOGS'): boolean {
  const names = [`OTEL_${signal}_EXPORTER`, `OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`, 'OTEL_EXPORTER_OTLP_ENDPOINT'];
  return names.some((name) => core.getStringFromEnv(name) !== undefined);
}

/** `service.name` and `service.version`, from OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES. */
export function serviceFromEnv(): { name: string | undefined; version: string | undefined } {
  const { attributes } = resources.detectResources({ detectors: [resources.envDetector] });
  return { name: text(attributes['service.name']), version: text(attributes['service.version']) };
}

/** The same from a resource that the application gives to its NodeSDK. */
export function serviceFromResource(resource: NodeSDKConfiguration['resource'] | undefined): {
  name: string | undefined;
  version: string | undefined;
} {
  const attributes = resource?.attributes ?? {};
  return { name: text(attributes['service.name']), version: text(attributes['service.version']) };
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
