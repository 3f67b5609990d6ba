import type * as NodeHttp from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { context, propagation } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { WorkflowPropagator, serveRequest } from '@spanledger/otel';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { http as httpRules } from '../src/index.ts';
import { traced } from './span-fixture.ts';
import type { TestEvent, Traced } from './span-fixture.ts';

const instrumentation = new HttpInstrumentation();
// By `require`, which is what the instrumentation patches.
const http = createRequire(import.meta.url)('node:http') as typeof NodeHttp;

let run: Traced;
let server: NodeHttp.Server | undefined;

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new WorkflowPropagator());
});
beforeEach(() => {
  run = traced({ rules: [{ when: { name: 'work' }, event: 'work_done' }, httpRules()], lifecycle: 'always' });
  instrumentation.setTracerProvider(run.provider);
});
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});
afterAll(() => {
  instrumentation.disable();
  context.disable();
  propagation.disable();
});

function listen(listener: NodeHttp.RequestListener): Promise<string> {
  server = http.createServer(listener);
  return new Promise((resolve) => {
    server!.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(server!.address() as AddressInfo).port}`));
  });
}

/** The server span ends after the client has its answer. */
async function eventsOnceEnded(): Promise<TestEvent[]> {
  for (;;) {
    const events = await run.events();
    if (events.some(({ event }) => /^invocation_(complete|cancelled)$/.test(event))) return events;
    await new Promise(setImmediate);
  }
}

const work: NodeHttp.RequestListener = (_, response) => {
  run.tracer.startSpan('work').end();
  response.end('done');
};

describe('the entry span of HTTP instrumentation', () => {
  it('brackets a request with its own event inside, in the run of the request', async () => {
    const url = await listen(work);
    const headers = { 'X-Workflow-Id': 'wf', 'X-Workflow-Execution-Id': 'ex', 'X-Workflow-Step-Id': 'plan' };
    await (await fetch(`${url}/users/7?token=secret`, { headers })).text();
    const events = await eventsOnceEnded();
    expect(events.map(({ event }) => event)).toEqual([
      'invocation_started',
      'work_done',
      'http_request',
      'invocation_complete',
    ]);
    const [started, , request, complete] = events;
    expect(new Set(events.map(({ run_id }) => run_id)).size).toBe(1);
    for (const event of events) expect(event).toMatchObject({ workflow_id: 'wf', step_id: 'plan' });
    expect(started).toMatchObject({ span_id: request!['span_id'], seq: 1 });
    expect(complete).toMatchObject({ span_id: request!['span_id'], duration_ms: expect.any(Number) });
    expect(request).toMatchObject({ fields: { method: 'GET', status_code: 200, scheme: 'http' } });
    expect(JSON.stringify(events)).not.toMatch(/secret|users|127\.0\.0\.1/);
  });

  it('is alone in that when a middleware is there as well', async () => {
    const url = await listen((request, response) => serveRequest(request, response, () => work(request, response)));
    await (await fetch(url)).text();
    const events = await eventsOnceEnded();
    expect(events.map(({ event }) => event)).toEqual([
      'invocation_started',
      'work_done',
      'http_request',
      'invocation_complete',
    ]);
    expect(events[0]).not.toHaveProperty('workflow_id');
  });

  it('ends with an error when the answer is one', async () => {
    const url = await listen((_, response) => {
      response.statusCode = 500;
      response.end();
    });
    await (await fetch(url)).text();
    const events = await eventsOnceEnded();
    expect(events.slice(-2)).toMatchObject([
      { event: 'http_request', fields: { status: 'error', status_code: 500 } },
      { event: 'invocation_complete', fields: { status: 'error' } },
    ]);
  });

  it('ends as cancelled when the client goes away and a middleware saw it', async () => {
    const abort = new AbortController();
    const url = await listen((request, response) => serveRequest(request, response, () => abort.abort()));
    await expect(fetch(url, { signal: abort.signal })).rejects.toThrow(/abort/i);
    const events = await eventsOnceEnded();
    expect(events.at(-1)).toMatchObject({ event: 'invocation_cancelled' });
  });
});
