import { connect } from 'node:http2';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { WorkflowPropagator } from '@spanledger/otel';
import { setRunLifecycle } from '@spanledger/otel/internal';
import type { RunOutcome } from '@spanledger/otel/internal';
import type { FastifyInstance, FastifyServerOptions } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { spanledger } from '../src/index.ts';

const require = createRequire(import.meta.url);
const RUN_ID = expect.stringMatching(/^[0-9a-f-]{36}$/);

// Without an OpenTelemetry SDK: no context manager, no propagator, no ledger.
describe.each(['fastify4', 'fastify'])('the plugin on %s, without an SDK', (version) => {
  const fastify = require(version) as (options?: FastifyServerOptions & { http2?: true }) => FastifyInstance;
  let app: FastifyInstance;

  async function serve(options?: FastifyServerOptions & { http2?: true }): Promise<string> {
    app = fastify(options);
    await app.register(spanledger);
    app.get('/', async () => 'served');
    app.get('/hang', () => undefined);
    await app.listen({ port: 0, host: '127.0.0.1' });
    return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  }
  afterEach(() => {
    setRunLifecycle(undefined);
    return app.close();
  });

  /** The outcome of the next request that ends. */
  function nextOutcome(): Promise<RunOutcome> {
    return new Promise((resolve) =>
      setRunLifecycle({ started: () => undefined, ended: (_scope, outcome) => resolve(outcome) }),
    );
  }

  async function get(
    url: string,
    headers: Record<string, string> = {},
  ): Promise<{ text: string; runId: string | null }> {
    const response = await fetch(url, { headers });
    return { text: await response.text(), runId: response.headers.get('x-workflow-run-id') };
  }

  it('passes requests on, and answers workflow requests alone with their run', async () => {
    const url = await serve();
    expect(await get(url)).toEqual({ text: 'served', runId: null });
    const first = await get(url, { 'x-workflow-execution-id': 'e-1' });
    const second = await get(url, { 'x-workflow-execution-id': 'e-1' });
    expect(first).toEqual({ text: 'served', runId: RUN_ID });
    expect(second.runId).not.toBe(first.runId);
  });

  it('holds for routes of encapsulated plugins, and for those that do not exist', async () => {
    app = fastify();
    await app.register(async (scope) => void scope.get('/inner', async () => 'inner'));
    await app.register(spanledger);
    await app.register(async (scope) => void scope.get('/later', async () => 'later'));
    const headers = { 'x-workflow-id': 'w' };
    for (const url of ['/later', '/nowhere']) {
      expect((await app.inject({ url, headers })).headers['x-workflow-run-id']).toEqual(RUN_ID);
    }
  });

  it('does not answer a request that the trust gate refused', async () => {
    const propagator = new WorkflowPropagator({ trustInbound: false });
    const url = await serve();
    expect((await get(url, { 'x-workflow-id': 'w' })).runId).toBeNull();
    propagator.shutdown();
  });

  it('ends the run of an injected request', async () => {
    await serve();
    const outcome = nextOutcome();
    expect((await app.inject('/')).body).toBe('served');
    expect(await outcome).toEqual({ status: 'ok' });
  });

  it('serves HTTP/2, and tells a stream that the client has closed', async () => {
    const url = await serve({ http2: true });
    const session = connect(url);
    const finished = nextOutcome();
    const request = session.request({ ':path': '/', 'x-workflow-id': 'w' });
    const headers = new Promise((resolve) => request.once('response', resolve));
    expect(await text(request)).toBe('served');
    expect(await headers).toMatchObject({ 'x-workflow-run-id': RUN_ID });
    expect(await finished).toEqual({ status: 'ok' });

    const abandoned = nextOutcome();
    const hanging = session.request({ ':path': '/hang' });
    app.server.once('request', () => setImmediate(() => hanging.close(8)));
    expect((await abandoned).status).toBe('cancelled');
    session.destroy();
  });
});
