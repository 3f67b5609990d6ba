import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { context, trace } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { audit, createAuditPipeline, getPipeline, memorySink, registerPipeline } from '@spanledger/audit';
import type { AuditPipelineOptions } from '@spanledger/audit';
import { setRunLifecycle } from '@spanledger/otel/internal';
import type { RunOutcome } from '@spanledger/otel/internal';
import type { FastifyInstance, FastifyServerOptions } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { spanledger } from '../src/index.ts';

const require = createRequire(import.meta.url);

describe.each(['fastify4', 'fastify'])('failClosed on %s', (version) => {
  const fastify = require(version) as (options?: FastifyServerOptions) => FastifyInstance;
  let app: FastifyInstance;
  let served: number;
  let unregister = (): void => {};

  beforeEach(() => {
    served = 0;
    app = fastify();
  });
  afterEach(() => {
    unregister();
    setRunLifecycle(undefined);
    return app.close();
  });

  /** The route that must not run. */
  function route(): void {
    app.get('/', async () => {
      served += 1;
      return 'served';
    });
  }

  async function get(path = '/', headers: Record<string, string> = {}) {
    if (!app.server.listening) await app.listen({ port: 0, host: '127.0.0.1' });
    const { port } = app.server.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  it('answers 503 where Spanledger is not started, unknown routes included, before any handler runs', async () => {
    const ended = new Promise<RunOutcome>((resolve) =>
      setRunLifecycle({ started: () => undefined, ended: (_scope, outcome) => resolve(outcome) }),
    );
    await app.register(spanledger, { failClosed: true });
    route();
    const { status, headers, text } = await get('/', { 'x-workflow-id': 'w' });
    expect(status).toBe(503);
    expect(headers.get('retry-after')).toBe('5');
    expect(headers.get('x-workflow-run-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(JSON.parse(text)).toEqual({
      statusCode: 503,
      code: 'SPANLEDGER_NOT_DURABLE',
      error: 'Service Unavailable',
      message: expect.stringContaining('audit ledger'),
    });
    expect(served).toBe(0);
    expect(await ended).toMatchObject({ status: 'error' });
    expect((await get('/nowhere')).status).toBe(503);
  });

  it('lets the error handler of the application render the refusal', async () => {
    app.setErrorHandler<Error & { statusCode: number; code: string }>((error, _request, reply) =>
      reply.code(error.statusCode).send({ problem: error.code }),
    );
    await app.register(spanledger, { failClosed: true });
    route();
    const { status, headers, text } = await get();
    expect([status, headers.get('retry-after'), text]).toEqual([503, '5', '{"problem":"SPANLEDGER_NOT_DURABLE"}']);
  });

  it.each([{}, { failClosed: false }])('is off with %j', async (options) => {
    await app.register(spanledger, options);
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
    await app.register(spanledger, { failClosed: { retryAfterSeconds: 30 } });
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

  it('leaves alone routes that say so, and what HTTP instrumentation was told to ignore', async () => {
    // For its context manager.
    new NodeTracerProvider().register({ propagator: null });
    app.get('/live', { config: { spanledger: { failClosed: false } } }, async () => 'alive');
    app.addHook('onRequest', (request, _reply, next) =>
      request.url === '/?ignored' ? context.with(suppressTracing(context.active()), next) : next(),
    );
    await app.register(spanledger, { failClosed: true });
    route();
    expect(await get('/live')).toMatchObject({ status: 200, text: 'alive' });
    expect((await get('/?ignored')).status).toBe(200);
    expect((await get()).status).toBe(503);
    trace.disable();
    context.disable();
  });

  it('runs nothing where a hook has answered before it, and breaks half an answer', async () => {
    app.addHook('onRequest', (request, reply, next) => {
      if (request.url === '/?whole') reply.raw.end('answered');
      else reply.raw.write('half');
      next();
    });
    await app.register(spanledger, { failClosed: true });
    route();
    expect((await get('/?whole')).text).toBe('answered');
    await expect(get('/?half')).rejects.toThrow(/terminated|failed/);
    expect(served).toBe(0);
  });

  it.each([
    'yes',
    null,
    { retryAfterSeconds: -1 },
    { retryAfterSeconds: 1.5 },
    { retryAfterSeconds: 86_401 },
  ] as never[])('does not take failClosed: %j', async (failClosed) => {
    const registered = Promise.resolve(app.register(spanledger, { failClosed })).then(() => app.ready());
    await expect(registered).rejects.toMatchObject({ code: 'SPANLEDGER_OPTION' });
  });
});
