import type Http from 'node:http';
import type { IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import { ROOT_CONTEXT, context } from '@opentelemetry/api';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WorkflowPropagator, serveRequest, workflowFetch } from '../src/index.ts';
import { Run, setWorkflowContext, watchAnsweredRuns } from '../src/internal.ts';
import type { AnsweredRun } from '../src/internal.ts';
import { FULL, registerTracing, serve, unregisterTracing } from './support.ts';
import type { TestServer } from './support.ts';

const instrumentations = [new HttpInstrumentation(), new UndiciInstrumentation()];
const http = createRequire(import.meta.url)('node:http') as typeof Http;

const scope = { run: new Run('workflow', FULL), workflow: FULL };
const inWorkflow = <T>(fn: () => T): T => context.with(setWorkflowContext(ROOT_CONTEXT, scope), fn);
const propagator = new WorkflowPropagator({ producer: 'planner', outbound: { allowedHosts: ['127.0.0.1', '::1'] } });

let server: TestServer;
let answers: AnsweredRun[];
let unwatch = (): void => {};

function get(options: object): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    http.get(options, (response) => response.resume().on('end', () => resolve(response))).on('error', reject);
  });
}

beforeAll(async () => {
  const { provider } = registerTracing({ propagator });
  for (const instrumentation of instrumentations) instrumentation.setTracerProvider(provider);
  // /to/<where>: redirect. /forged/<id>: an id of the receiver's own making. Anything else is answered by our middleware.
  server = await serve((request, response) => {
    const [, path = '', value = ''] = (request.url ?? '').split('/');
    if (path === 'forged') return response.writeHead(200, { 'x-workflow-run-id': decodeURIComponent(value) }).end();
    if (path === 'twice')
      return response.writeHead(200, ['x-workflow-run-id', value, 'x-workflow-run-id', value]).end();
    return serveRequest(request, response, () =>
      path === 'to' ? response.writeHead(302, { location: decodeURIComponent(value) }).end() : response.end(),
    );
  });
});
beforeEach(() => {
  answers = [];
  unwatch = watchAnsweredRuns((answer) => answers.push(answer));
});
afterEach(() => unwatch());
afterAll(async () => {
  for (const instrumentation of instrumentations) instrumentation.disable();
  propagator.shutdown();
  unregisterTracing();
  await server.close();
});

const SENT = { ...FULL, caller: 'planner' };

describe('watchAnsweredRuns', () => {
  it('tells which run answered which step, through fetch, workflowFetch and http', async () => {
    const url = `http://127.0.0.1:${server.port}/`;
    const runIds = [
      (await inWorkflow(() => fetch(url))).headers.get('x-workflow-run-id'),
      (await inWorkflow(() => workflowFetch(url))).headers.get('x-workflow-run-id'),
      (await inWorkflow(() => get({ host: '127.0.0.1', port: server.port }))).headers['x-workflow-run-id'],
    ];
    expect(answers).toStrictEqual(
      runIds.map((runId) => ({ workflow: SENT, runId, recorded: false, host: '127.0.0.1' })),
    );
    expect(new Set(runIds).size).toBe(3);
  });

  it('has told it when the caller gets the response', async () => {
    const seen = await inWorkflow(
      () =>
        new Promise((resolve) => {
          http.get({ host: '127.0.0.1', port: server.port }, (response) => {
            response.resume();
            resolve(answers.length);
          });
        }),
    );
    expect(seen).toBe(1);
  });

  it('hears each hop of a redirect, and names the host in one spelling', async () => {
    const second = `http://[::1]:${server.port}/end`;
    await inWorkflow(() => fetch(`http://127.0.0.1:${server.port}/to/${encodeURIComponent(second)}`));
    expect(answers.map(({ host }) => host)).toStrictEqual(['127.0.0.1', '[::1]']);
    expect(new Set(answers.map(({ runId }) => runId)).size).toBe(2);
  });

  it('hears nothing of a request that named no execution, or of a host that was told none', async () => {
    const id = '01900000-0000-7000-8000-000000000000';
    await fetch(`http://127.0.0.1:${server.port}/forged/${id}`);
    await get({ host: '127.0.0.1', port: server.port, path: `/forged/${id}` });
    await inWorkflow(() => fetch(`http://localhost:${server.port}/forged/${id}`));
    expect(answers).toStrictEqual([]);
  });

  it.each([
    '/forged/not-an-id',
    `/forged/${'1'.repeat(500)}`,
    '/twice/01900000-0000-7000-8000-000000000000',
    '/forged/%20',
  ])('passes over an answer that is no run id: %s', async (path) => {
    await inWorkflow(() => fetch(`http://127.0.0.1:${server.port}${path}`));
    await inWorkflow(() => get({ host: '127.0.0.1', port: server.port, path }));
    expect(answers).toStrictEqual([]);
  });

  it('does not harm the request when the listener throws', async () => {
    unwatch();
    unwatch = watchAnsweredRuns(() => {
      throw new Error('no');
    });
    const url = `http://127.0.0.1:${server.port}/`;
    expect((await inWorkflow(() => fetch(url))).status).toBe(200);
    expect((await inWorkflow(() => get(new URL(url)))).statusCode).toBe(200);
  });

  it('is silent once it is ended', async () => {
    unwatch();
    await inWorkflow(() => fetch(`http://127.0.0.1:${server.port}/`));
    expect(answers).toStrictEqual([]);
  });
});
