import { once } from 'node:events';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { suppressTracing } from '@opentelemetry/core';
import { audit, createAuditPipeline, getPipeline, memorySink, registerPipeline } from '@spanledger/audit';
import type { AuditPipelineOptions } from '@spanledger/audit';
import { setRunLifecycle } from '@spanledger/otel/internal';
import type { RunOutcome } from '@spanledger/otel/internal';
import type { ErrorRequestHandler, Express } from 'express';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { spanledger } from '../src/index.ts';

const require = createRequire(import.meta.url);

describe.each(['express4', 'express5'])('failClosed on %s', (version) => {
  const express = require(version) as () => Express;
  let app: Express;
  let server: Server;
  let url: string;
  let served: number;
  let unregister = (): void => {};

  beforeEach(async () => {
    served = 0;
    app = express();
    server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterEach(() => {
    unregister();
    setRunLifecycle(undefined);
    server.closeAllConnections();
    server.close();
  });

  /** The route that must not run, behind the middleware. */
  function route(): void {
    app.use((_request, response) => {
      served += 1;
      response.end('served');
    });
  }

  async function get(headers: Record<string, string> = {}) {
    const response = await fetch(url, { headers });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  it('answers 503 where Spanledger is not started, before anything of the application runs', async () => {
    const ended = new Promise<RunOutcome>((resolve) =>
      setRunLifecycle({ started: () => undefined, ended: (_scope, outcome) => resolve(outcome) }),
    );
    app.use(spanledger({ failClosed: true }));
    route();
    const onError: ErrorRequestHandler = (error, _request, response, next) => {
      if (response.headersSent) next(error);
      else response.status(500).end('rendered');
    };
    app.use(onError);
    const { status, headers, text } = await get({ 'x-workflow-id': 'w' });
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('5');
    expect(headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(headers.get('x-workflow-run-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(JSON.parse(text)).toEqual({
      statusCode: 503,
      code: 'SPANLEDGER_NOT_DURABLE',
      error: 'Service Unavailable',
      message: expect.stringContaining('audit ledger'),
    });
    expect(served).toBe(0);
    expect(await ended).toMatchObject({ status: 'error' });
  });

  it.each([undefined, {}, { failClosed: false }])('is off with %j', async (options) => {
    app.use(spanledger(options));
    route();
    expect(await get()).toMatchObject({ status: 200, text: 'served' });
  });

  it('refuses while the ledger accepts nothing, and serves again when it does', async () => {
    let release = (): void => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const stored = memorySink();
    const sink: AuditPipelineOptions['sink'] = {
      name: 'held',
      writeEvent: (event) => released.then(async () => stored.writeEvent(event)),
      close: () => stored.close(),
    };
    const pipeline = createAuditPipeline({ producer: 'svc', sink, eventMaxBytes: 32_768, queueMaxBytes: 16 * 32_768 });
    unregister = registerPipeline(pipeline);
    app.use(spanledger({ failClosed: { retryAfterSeconds: 30 } }));
    route();
    expect((await get()).status).toBe(200);
    while (getPipeline()?.health().accepting) audit.emit({ event: 'work', fields: { text: 'x'.repeat(1_000) } });
    const { status, headers } = await get();
    expect({ status, retryAfter: headers.get('retry-after') }).toEqual({ status: 503, retryAfter: '30' });
    expect(served).toBe(1);
    release();
    await pipeline.flush();
    expect((await get()).status).toBe(200);
    await pipeline.shutdown();
    expect((await get()).status).toBe(503);
  });

  it('leaves alone what comes before it, and what HTTP instrumentation was told to ignore', async () => {
    const contexts = new AsyncLocalStorageContextManager().enable();
    context.setGlobalContextManager(contexts);
    app.get('/live', (_request, response) => void response.end('alive'));
    app.use('/ignored', (_request, _response, next) => context.with(suppressTracing(context.active()), next));
    app.use(spanledger({ failClosed: true }));
    route();
    expect(await (await fetch(`${url}live`)).text()).toBe('alive');
    expect((await fetch(`${url}ignored`)).status).toBe(200);
    expect((await get()).status).toBe(503);
    context.disable();
  });

  it('runs nothing where somebody has answered before it, and breaks half an answer', async () => {
    app.use('/whole', (_request, response, next) => {
      response.end('answered');
      next();
    });
    app.use('/half', (_request, response, next) => {
      response.write('half');
      next();
    });
    const thrown: unknown[] = [];
    const middleware = spanledger({ failClosed: true });
    app.use((request, response, next) => {
      try {
        middleware(request, response, next);
      } catch (error) {
        thrown.push(error);
      }
    });
    route();
    expect(await (await fetch(`${url}whole`)).text()).toBe('answered');
    await expect(fetch(`${url}half`).then((response) => response.text())).rejects.toThrow(/terminated|failed/);
    expect(thrown).toEqual([]);
    expect(served).toBe(0);
  });

  it.each([
    'yes',
    null,
    { retryAfterSeconds: -1 },
    { retryAfterSeconds: 1.5 },
    { retryAfterSeconds: 86_401 },
  ] as never[])('does not take failClosed: %j', (failClosed) => {
    expect(() => spanledger({ failClosed })).toThrow(expect.objectContaining({ code: 'SPANLEDGER_OPTION' }));
  });
});
