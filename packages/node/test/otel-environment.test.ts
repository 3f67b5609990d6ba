import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  exportersNotAskedFor,
  logRecordProcessorsOf,
  propagatorsOf,
  serviceFromEnv,
  spanProcessorsOf,
} from '../src/otel-environment.ts';

afterEach(() => void vi.unstubAllEnvs());

function setEnv(env: Record<string, string>): void {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
}

describe('the environment of OpenTelemetry', () => {
  it.each([
    [{}, ['spanProcessors', 'metricReaders', 'logRecordProcessors']],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://a' }, []],
    [{ OTEL_TRACES_EXPORTER: 'console' }, ['metricReaders', 'logRecordProcessors']],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://a' }, ['metricReaders', 'logRecordProcessors']],
    [{ OTEL_METRICS_EXPORTER: 'prometheus' }, ['spanProcessors', 'logRecordProcessors']],
  ])('turns off exporters that %j does not ask for', (env, off) => {
    setEnv(env);
    expect(Object.keys(exportersNotAskedFor())).toEqual(off);
  });

  it.each([
    [{ OTEL_SERVICE_NAME: 'a' }, 'a'],
    [{ OTEL_RESOURCE_ATTRIBUTES: 'service.name=b%20c,service.version=2' }, 'b c'],
    [{ OTEL_SERVICE_NAME: 'a', OTEL_RESOURCE_ATTRIBUTES: 'service.name=b' }, 'a'],
    [{}, undefined],
  ])('finds the service in %j', (env, name) => {
    setEnv(env);
    expect(serviceFromEnv().name).toBe(name);
  });

  it('has the propagators that NodeSDK would have', () => {
    const fields = (config = {}): string[] => propagatorsOf(config).flatMap((one) => one.fields());
    expect(fields()).toEqual(['traceparent', 'tracestate', 'baggage']);
    expect(fields({ textMapPropagator: null })).toEqual([]);
    setEnv({ OTEL_PROPAGATORS: 'none' });
    expect(fields()).toEqual([]);
    setEnv({ OTEL_PROPAGATORS: 'b3,tracecontext' });
    expect(fields()).toContain('b3');
  });

  it('has the span processors that NodeSDK would have', () => {
    setEnv({ OTEL_TRACES_EXPORTER: 'none' });
    expect(spanProcessorsOf({})).toEqual([]);
    setEnv({ OTEL_TRACES_EXPORTER: 'console' });
    expect(spanProcessorsOf({})).toHaveLength(1);
    const given = spanProcessorsOf({});
    expect(spanProcessorsOf({ spanProcessors: given })).toEqual(given);
    expect(spanProcessorsOf({ spanProcessor: given[0]! })).toEqual(given);
  });

  it('has the log record processors that NodeSDK would have', () => {
    setEnv({ OTEL_LOGS_EXPORTER: 'none' });
    expect(logRecordProcessorsOf({})).toEqual([]);
    setEnv({ OTEL_LOGS_EXPORTER: 'console,otlp' });
    expect(logRecordProcessorsOf({}).map(({ constructor }) => constructor.name)).toEqual([
      'SimpleLogRecordProcessor',
      'BatchLogRecordProcessor',
    ]);
    setEnv({ OTEL_LOGS_EXPORTER: 'console' });
    const given = logRecordProcessorsOf({});
    expect(logRecordProcessorsOf({ logRecordProcessors: given })).toEqual(given);
    expect(logRecordProcessorsOf({ logRecordProcessor: given[0]! })).toEqual(given);
  });
});
