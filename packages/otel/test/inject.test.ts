import type Http from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { createRequire } from 'node:module';
import { ROOT_CONTEXT, SpanKind, context, propagation, trace } from '@opentelemetry/api';
import type { Attributes } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import { AlwaysOffSampler } from '@opentelemetry/sdk-trace';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WorkflowPropagator, WorkflowSampler, injectWorkflowHeaders } from '../src/index.ts';
import { Run, setWorkflowContext } from '../src/internal.ts';
import type { WorkflowPropagatorOptions } from '../src/index.ts';
import { FULL, headersOf, registerTracing, serve, unregisterTracing, workflowHeaders } from './support.ts';
import type { TestServer } from './support.ts';

// Instrumentation patches what is required after it is made.
const instrumentations = [new HttpInstrumentation(), new UndiciInstrumentation()];
const http = createRequire(import.meta.url)('node:http') as typeof Http;

const SENT = headersOf({ ...FULL, caller: 'planner' });
const scope = { run: new Run('workflow', FULL), workflow: FULL };
const inWorkflow = <T>(fn: () => T): T => context.with(setWorkflowContext(ROOT_CONTEXT, scope), fn);

let server: TestServer;
let propagator: WorkflowPropagator | undefined;

function configure(options: WorkflowPropagatorOptions): void {
  propagator = new WorkflowPropagator({ producer: 'planner', ...options });
  // The worst case throughout: nothing is sampled.
  const { provider } = registerTracing({ propagator, sampler: new WorkflowSampler(new AlwaysOffSampler()) });
  for (const instrumentation of instrumentations) instrumentation.setTracerProvider(provider);
}

function get(url: string | URL | object): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request: ClientRequest = http.get(url, (response) => {
      response.resume().on('end', () => resolve(response));
    });
    request.on('error', reject);
  });
}

/** The workflow headers of each request that arrived, in order. */
const arrived = () => server.seen.splice(0).map(({ headers }) => workflowHeaders(headers));

beforeAll(async () => {
  server = await serve((request, response) => {
    const target = new URL(request.url ?? '', 'http://x').searchParams.get('to');
    response.writeHead(target ? 302 : 200, target ? { location: target } : {}).end();
  });
});
afterEach(() => {
  propagator?.shutdown();
  unregisterTracing();
  server.seen.length = 0;
});
afterAll(async () => {
  for (const instrumentation of instrumentations) instrumentation.disable();
  await server.close();
});

describe('outbound', () => {
  it('is off by default', async () => {
    configure({});
    await inWorkflow(() => fetch(`http://127.0.0.1:${server.port}/`));
    await inWorkflow(() => get(`http://127.0.0.1:${server.port}/`));
    expect(arrived()).toStrictEqual([{}, {}]);
  });

  it('goes to a listed host through fetch and http, though the trace is not sampled, under our own name', async () => {
    configure({ outbound: { allowedHosts: ['127.0.0.1', '::1'] } });
    await inWorkflow(() => fetch(`http://127.0.0.1:${server.port}/`));
    await inWorkflow(() => get(`http://127.0.0.1:${server.port}/`));
    await inWorkflow(() => get(new URL(`http://127.0.0.1:${server.port}/`)));
    await inWorkflow(() => get({ hostname: '127.0.0.1', port: server.port, path: '/' }));
    await inWorkflow(() => get({ host: '127.0.0.1', port: server.port, headers: { 'X-WORKFLOW-ID': 'by hand' } }));
    await inWorkflow(() => fetch(`http://[::1]:${server.port}/`));
    expect(arrived()).toStrictEqual(Array.from({ length: 6 }, () => SENT));
  });

  it('goes to no other host, whatever the request calls itself', async () => {
    configure({ outbound: { allowedHosts: ['127.0.0.1', 'good.svc'] } });
    const { port } = server;
    await inWorkflow(() => fetch(`http://localhost:${port}/`));
    await inWorkflow(() => get(`http://localhost:${port}/`));
    await inWorkflow(() => get(`http://good.svc@localhost:${port}/`));
    await inWorkflow(() => get({ hostname: 'localhost', host: 'good.svc', port, path: '/' }));
    await inWorkflow(() => get({ host: 'localhost', port, path: '//good.svc/' }));
    await inWorkflow(() => get({ host: 'localhost', port, path: 'http://good.svc/' }));
    await inWorkflow(() => get({ host: 'localhost', port, headers: { host: 'good.svc' } }));
    await inWorkflow(() => get({ port, headers: { host: 'good.svc' } }));
    expect(arrived()).toStrictEqual(Array.from({ length: 8 }, () => ({})));
  });

  it('goes through a listed proxy to listed hosts only', async () => {
    configure({ outbound: { allowedHosts: ['127.0.0.1', 'good.svc'] } });
    const ask = (host: string, path: string) =>
      inWorkflow(() => get({ host: '127.0.0.1', port: server.port, path, headers: { HOST: host } }));
    await ask('evil.example', 'http://evil.example/?q=1');
    await ask('evil.example:80', 'http://evil.example/');
    await ask('good.svc@evil.example', '/');
    await ask('good.svc:80', 'http://good.svc/?q=1');
    expect(arrived()).toStrictEqual([{}, {}, {}, SENT]);
  });

  it('does not follow a redirect to an unlisted host', async () => {
    configure({ outbound: { allowedHosts: ['127.0.0.1'] } });
    const { port } = server;
    await inWorkflow(() => fetch(`http://127.0.0.1:${port}/?to=http://localhost:${port}/a`));
    expect(arrived()).toStrictEqual([SENT, {}]);
  });

  it.each(['before', 'after'])(
    'is not fooled by a path that looks like a host, if it listens %s the instrumentation',
    async (order) => {
      const undici = instrumentations[1] as UndiciInstrumentation;
      if (order === 'before') undici.disable();
      configure({ outbound: { allowedHosts: ['127.0.0.1', 'good.svc'] } });
      if (order === 'before') undici.enable();
      const { port } = server;
      await inWorkflow(() => fetch(`http://localhost:${port}//good.svc/`));
      await inWorkflow(() => fetch(`http://127.0.0.1:${port}/?to=http://localhost:${port}//good.svc/`));
      await inWorkflow(() => fetch(`http://127.0.0.1:${port}/after`));
      expect(arrived()).toStrictEqual([{}, SENT, {}, SENT]);
    },
  );

  it('writes nothing where there is no workflow, or tracing is suppressed', async () => {
    configure({ outbound: { allowedHosts: ['127.0.0.1'] } });
    const url = `http://127.0.0.1:${server.port}/`;
    await fetch(url);
    const onlyCaller = { run: new Run('carrier', {}), workflow: { caller: 'someone' } };
    await context.with(setWorkflowContext(ROOT_CONTEXT, onlyCaller), () => fetch(url));
    await context.with(suppressTracing(setWorkflowContext(ROOT_CONTEXT, scope)), () => fetch(url));
    expect(arrived()).toStrictEqual([{}, {}, {}]);
  });

  it('writes no header that would break the request', async () => {
    configure({ outbound: { allowedHosts: ['127.0.0.1'] }, producer: 'plänner' });
    const workflow = { workflowId: 'a\r\nx-evil: 1', executionId: 'ex', stepId: 'ü' };
    const ctx = setWorkflowContext(ROOT_CONTEXT, { run: new Run('workflow', workflow), workflow });
    await context.with(ctx, () => fetch(`http://127.0.0.1:${server.port}/`));
    expect(arrived()).toStrictEqual([{ 'x-workflow-execution-id': 'ex' }]);
  });
});

describe('inject', () => {
  function inject(
    kind: SpanKind,
    attributes: Attributes,
    carrier: Record<string, string> = {},
  ): Record<string, string> {
    const ctx = setWorkflowContext(ROOT_CONTEXT, scope);
    const span = trace.getTracer('test').startSpan('call', { kind, attributes }, ctx);
    propagation.inject(trace.setSpan(ctx, span), carrier);
    return workflowHeaders(
      Object.fromEntries(Object.entries(carrier).map(([name, value]) => [name.toLowerCase(), value])),
    ) as Record<string, string>;
  }
  const GOOD = { 'server.address': 'good.svc', 'url.full': 'http://good.svc/' };

  it('needs a client span whose address and URL agree', () => {
    configure({ outbound: { allowedHosts: ['good.svc', '*.agents.internal'] } });
    expect(inject(SpanKind.CLIENT, GOOD)).toStrictEqual(SENT);
    expect(inject(SpanKind.SERVER, GOOD)).toStrictEqual({});
    expect(inject(SpanKind.INTERNAL, GOOD)).toStrictEqual({});
    expect(inject(SpanKind.CLIENT, { 'server.address': 'good.svc' })).toStrictEqual({});
    expect(inject(SpanKind.CLIENT, { 'url.full': 'http://good.svc/' })).toStrictEqual({});
    expect(inject(SpanKind.CLIENT, { ...GOOD, 'url.full': 'http://good.svc@evil.example/' })).toStrictEqual({});
    // An attribute length limit of 17 characters makes this of http://a.agents.internal.evil.example/
    expect(
      inject(SpanKind.CLIENT, { 'server.address': 'a.agents.internal', 'url.full': 'http://a.agents.i' }),
    ).toStrictEqual({});
  });

  it('needs a recording span', () => {
    configure({ outbound: { allowedHosts: ['good.svc'] } });
    unregisterTracing();
    registerTracing({ propagator: propagator as WorkflowPropagator, sampler: new AlwaysOffSampler() });
    expect(inject(SpanKind.CLIENT, GOOD)).toStrictEqual({});
  });

  it('sets, and does not append', () => {
    configure({ outbound: { allowedHosts: ['good.svc'] } });
    expect(inject(SpanKind.CLIENT, GOOD, { 'X-Workflow-Id': 'old' })).toStrictEqual(SENT);
  });

  it('never throws', () => {
    configure({ outbound: { allowedHosts: ['good.svc'] } });
    const ctx = setWorkflowContext(ROOT_CONTEXT, scope);
    const span = trace.getTracer('test').startSpan('call', { kind: SpanKind.CLIENT, attributes: GOOD }, ctx);
    const setter = {
      set: () => {
        throw new Error('no');
      },
    };
    expect(() => propagator?.inject(trace.setSpan(ctx, span), {}, setter)).not.toThrow();
    expect(() => propagator?.inject(ROOT_CONTEXT, null, setter)).not.toThrow();
  });
});

describe('injectWorkflowHeaders', () => {
  it.each<[string, object]>([
    ['a plain object', { 'X-WORKFLOW-ID': 'old' }],
    ['Headers', new Headers({ 'x-workflow-id': 'old' })],
    ['a Map', new Map([['x-workflow-ID', 'old']])],
  ])('sets headers in %s for a listed host, and takes them off for another', (_name, headers) => {
    configure({ outbound: { allowedHosts: ['good.svc'] } });
    const written = () =>
      Object.fromEntries(
        [...(Symbol.iterator in headers ? (headers as Map<string, string>) : Object.entries(headers))].map(
          ([name, value]) => [name.toLowerCase(), value],
        ),
      );
    expect(inWorkflow(() => injectWorkflowHeaders('https://GOOD.svc:444/x', headers))).toBe(true);
    expect(written()).toStrictEqual(SENT);
    expect(inWorkflow(() => injectWorkflowHeaders('https://good.svc.evil.example/x', headers))).toBe(false);
    expect(written()).toStrictEqual({});
  });

  it('writes nothing without an allow-list, without a workflow, or for what is no URL', () => {
    expect(inWorkflow(() => injectWorkflowHeaders('http://good.svc/', {}))).toBe(false);
    configure({ outbound: { allowedHosts: ['good.svc'] } });
    expect(injectWorkflowHeaders('http://good.svc/', {})).toBe(false);
    expect(inWorkflow(() => injectWorkflowHeaders('good.svc', {}))).toBe(false);
  });
});
