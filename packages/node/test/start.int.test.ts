import { readdirSync } from 'node:fs';
import path from 'node:path';
import { startNats } from '@spanledger/testkit';
import type { NatsServer } from '@spanledger/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { count, readLedger } from './ledger-reader.ts';
import { NodeProcess, temporaryFolder } from './node-process.ts';
import { startOtlpReceiver } from './otlp-receiver.ts';

let nats: NatsServer;
beforeAll(async () => void (nats = await startNats()));
afterAll(() => nats.close());

async function eventsOf(producer: string): Promise<readonly unknown[]> {
  return (await readLedger(nats.url)).events
    .filter((event) => event['producer'] === producer)
    .map(({ event }) => event);
}

describe('start(), in a file of its own', () => {
  it.each(['express.cjs', 'express.mjs'])('instruments the libraries of %s', async (app) => {
    const before = count(await readLedger(nats.url), 'handled');
    const service = new NodeProcess(app, { load: 'spanledger.mjs', env: { SPANLEDGER_NATS_URL: nats.url } });
    const port = await service.says(/listening on (\d+)/);
    expect(service.stdout).toMatch(/^started own-file jetstream/);
    await fetch(`http://127.0.0.1:${port}/greet/you`);
    service.child.kill('SIGTERM');
    await service.ended();
    expect(service.stderr).toBe('');
    const ledger = await readLedger(nats.url);
    expect(count(ledger, 'handled') - before).toBe(1);
    const request = ledger.events.findLast(({ event }) => event === 'http_request');
    expect(request).toMatchObject({ fields: { route: '/greet/:name', status_code: 200 } });
  });

  it('is required in CommonJS, and started once', async () => {
    const journal = temporaryFolder();
    const before = (await readLedger(nats.url)).runs.length;
    const env = { SPANLEDGER_NATS_URL: nats.url };
    const service = new NodeProcess('express.cjs', { load: 'spanledger.cjs', journal, env });
    const port = await service.says(/listening on (\d+)/);
    await fetch(`http://127.0.0.1:${port}/greet/you`);
    // Node.js 20 requires the file a second time, in the thread of its module hooks.
    const folders = readdirSync(path.join(journal, 'required'), { withFileTypes: true });
    expect(folders.filter((entry) => entry.isDirectory())).toHaveLength(1);
    service.child.kill('SIGTERM');
    expect(await service.ended()).toEqual({ code: 143, signal: null });
    expect(service.stderr).toBe('');
    expect((await readLedger(nats.url)).runs).toHaveLength(before + 1);
  });

  it('gives the bus of the application what the ledger has stored', async () => {
    const env = { OTEL_SERVICE_NAME: 'with-bus', SPANLEDGER_NATS_URL: nats.url };
    const script = new NodeProcess('live-progress.mjs', { load: 'with-bus.mjs', env });
    const heard = await script.says(/heard (.*)/);
    expect(heard).toBe('invocation_started report_exported http_request invocation_complete');
    await script.ended();
    expect(script.stderr).toBe('');
    expect(await eventsOf('with-bus')).toEqual(expect.arrayContaining(heard.split(' ')));
  });

  it('does not wait for a server', async () => {
    const script = new NodeProcess('express.mjs', {
      load: 'spanledger.mjs',
      env: { SPANLEDGER_NATS_URL: 'nats://127.0.0.1:1' },
    });
    expect(await script.says(/started own-file (\w+)/)).toBe('jetstream');
  });

  it('exports traces where OTEL_EXPORTER_OTLP_ENDPOINT says, and does not trace its own traffic', async () => {
    const collector = await startOtlpReceiver();
    const service = new NodeProcess('express.mjs', {
      load: 'spanledger.mjs',
      env: {
        SPANLEDGER_NATS_URL: nats.url,
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        OTEL_METRICS_EXPORTER: 'none',
        OTEL_LOGS_EXPORTER: 'none',
      },
    });
    const port = await service.says(/listening on (\d+)/);
    await fetch(`http://127.0.0.1:${port}/greet/you`);
    service.child.kill('SIGTERM');
    await service.ended();
    // One request: its server span, Express's, and the application's own. None for NATS or for the export.
    expect(new Set(collector.spans.map(({ traceId }) => traceId)).size).toBe(1);
    const names = collector.spans.map(({ name }) => name);
    expect(names.filter((name) => name.startsWith('GET'))).toEqual(['GET /greet/:name']);
    expect(names).toContain('greet');
  });

  it('warns when it comes after http, and traces http all the same', async () => {
    const service = new NodeProcess('late-start.mjs', { env: { SPANLEDGER_NATS_URL: nats.url } });
    const port = await service.says(/listening on (\d+)/);
    await fetch(`http://127.0.0.1:${port}/`);
    service.child.kill('SIGTERM');
    await service.ended();
    expect(service.stderr).toMatch(/^spanledger: http was loaded before Spanledger.*--import\n$/);
    expect(await eventsOf('late')).toEqual(['invocation_started', 'http_request', 'invocation_complete']);
  });

  it.each([
    ['', /^SPANLEDGER_DISABLED .*AuditSpanProcessor is not registered.*withSpanledger/, /^$/],
    ['1', /^went on with jetstream/, /^spanledger: .*AuditSpanProcessor is not registered.*withSpanledger/],
  ])('sees that another SDK was registered first (allowDisabled: "%s")', async (ALLOW, said, warned) => {
    const script = new NodeProcess('other-sdk-first.mjs', { env: { SPANLEDGER_NATS_URL: nats.url, ALLOW } });
    expect(await script.ended()).toEqual({ code: 0, signal: null });
    expect(script.stdout).toMatch(said);
    expect(script.stderr).toMatch(warned);
  });

  it('starts once in a process', async () => {
    const script = new NodeProcess('start-twice.mjs', { env: { SPANLEDGER_NATS_URL: nats.url } });
    expect(await script.ended()).toEqual({ code: 0, signal: null });
    expect(script.stdout).toBe('SPANLEDGER_STARTED\n');
  });
});
