import { startNats } from '@spanledger/testkit';
import type { NatsServer } from '@spanledger/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readLedger } from './ledger-reader.ts';
import { NodeProcess } from './node-process.ts';
import { startOtlpReceiver } from './otlp-receiver.ts';

let nats: NatsServer;
beforeAll(async () => void (nats = await startNats()));
afterAll(() => nats.close());

const JSON_OTLP = {
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
  OTEL_METRICS_EXPORTER: 'none',
  OTEL_LOGS_EXPORTER: 'none',
};

async function eventOf(traceId: string | undefined): Promise<Record<string, unknown> | undefined> {
  return (await readLedger(nats.url)).events.find((event) => event['trace_id'] === traceId);
}

describe('withSpanledger, for an application with a NodeSDK', () => {
  it('keeps the exporter and the propagators that the application gave, and adds the ledger', async () => {
    const collector = await startOtlpReceiver();
    const app = new NodeProcess('node-sdk.mjs', {
      env: { SPANLEDGER_NATS_URL: nats.url, GIVEN: `${collector.url}/v1/traces`, ...JSON_OTLP },
    });
    expect(await app.ended()).toEqual({ code: 0, signal: null });
    expect(app.stdout).toContain('headers traceparent sampled 1');
    expect(collector.spans.map(({ name }) => name)).toEqual(['work']);
    expect(await eventOf(collector.spans[0]?.traceId)).toMatchObject({ event: 'work_done', producer: 'has-an-sdk' });
  });

  it('keeps what the environment means where the application gave nothing', async () => {
    const collector = await startOtlpReceiver();
    const app = new NodeProcess('node-sdk.mjs', {
      env: {
        SPANLEDGER_NATS_URL: nats.url,
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_PROPAGATORS: 'b3',
        ...JSON_OTLP,
      },
    });
    expect(await app.ended()).toEqual({ code: 0, signal: null });
    expect(app.stdout).toContain('headers b3 sampled 1');
    expect(collector.spans.map(({ name }) => name)).toEqual(['work']);
    expect(await eventOf(collector.spans[0]?.traceId)).toMatchObject({ event: 'work_done', trace_sampled: true });
  });

  it('records what the sampler declines, and exports it no more than before', async () => {
    const collector = await startOtlpReceiver();
    const before = (await readLedger(nats.url)).events.length;
    const app = new NodeProcess('node-sdk.mjs', {
      env: {
        SPANLEDGER_NATS_URL: nats.url,
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_TRACES_SAMPLER: 'always_off',
        ...JSON_OTLP,
      },
    });
    expect(await app.ended()).toEqual({ code: 0, signal: null });
    expect(app.stdout).toContain('sampled 0');
    expect(collector.paths).toEqual([]);
    const events = (await readLedger(nats.url)).events.slice(before);
    expect(events).toHaveLength(1);
    expect(events[0]).not.toHaveProperty('trace_sampled');
  });

  it('fails loudly when OpenTelemetry is disabled', async () => {
    const app = new NodeProcess('node-sdk.mjs', { env: { OTEL_SDK_DISABLED: 'true' } });
    expect(await app.ended()).toMatchObject({ code: 1 });
    expect(app.stderr).toContain('SPANLEDGER_DISABLED');
  });
});

describe('an application with log record processors', () => {
  const warned = /^spanledger: transcripts: GenAiContentProcessor is not the first processor .*\n$/;
  it.each([
    ['in the configuration: content is stored', '', 'stored 1, exported 1\n', /^$/],
    ['of its own with our processor: content is stored', 'with ours', 'stored 1, exported 1\n', /^$/],
    ['of its own without it: content is not stored, and that is said', 'without', 'stored 0, exported 1\n', warned],
  ])('exports what it did, with a logger provider %s', async (_, own, said, stderr) => {
    const app = new NodeProcess('logs-content.mjs', { env: { OWN_PROVIDER: own } });
    expect(await app.ended()).toEqual({ code: 0, signal: null });
    expect(app.stdout).toBe(said);
    expect(app.stderr).toMatch(stderr);
  });
});
