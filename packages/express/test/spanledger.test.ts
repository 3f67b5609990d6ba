import { once } from 'node:events';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { suppressTracing } from '@opentelemetry/core';
import { WorkflowPropagator } from '@spanledger/otel';
import { setRunLifecycle } from '@spanledger/otel/internal';
import type { Express } from 'express';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { spanledger } from '../src/index.ts';

const require = createRequire(import.meta.url);

// Without an OpenTelemetry SDK: no context manager, no propagator, no ledger.
describe.each(['express4', 'express5'])('the middleware on %s, without an SDK', (version) => {
  const express = require(version) as () => Express;
  let app: Express;
  let server: Server;
  let url: string;

  beforeEach(async () => {
    app = express();
    server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterEach(() => {
    setRunLifecycle(undefined);
    server.closeAllConnections();
    server.close();
  });

  async function get(headers: Record<string, string> = {}): Promise<{ text: string; runId: string | null }> {
    const response = await fetch(url, { headers });
    return { text: await response.text(), runId: response.headers.get('x-workflow-run-id') };
  }

  it('passes requests on, and answers workflow requests alone with their run', async () => {
    app.use(spanledger());
    app.get('/', (_request, response) => void response.end('served'));
    expect(await get()).toEqual({ text: 'served', runId: null });
    const first = await get({ 'x-workflow-execution-id': 'e-1' });
    const second = await get({ 'x-workflow-execution-id': 'e-1' });
    expect(first).toEqual({ text: 'served', runId: expect.stringMatching(/^[0-9a-f-]{36}$/) });
    expect(second.runId).not.toBe(first.runId);
  });

  it.each(['', 'a b', 'x'.repeat(129), '\u00e9'])(
    'takes a request whose only value is unusable for one without (%j)',
    async (id) => {
      app.use(spanledger());
      app.get('/', (_request, response) => void response.end('served'));
      expect(await get({ 'x-workflow-id': id })).toEqual({ text: 'served', runId: null });
    },
  );

  it('does not answer a request that the trust gate refused', async () => {
    const propagator = new WorkflowPropagator({
      trustInbound: (request) => request?.headers['authorization'] === 'let me in',
    });
    app.use(spanledger());
    app.get('/', (_request, response) => void response.end('served'));
    expect((await get({ 'x-workflow-id': 'w' })).runId).toBeNull();
    expect((await get({ 'x-workflow-id': 'w', authorization: 'let me in' })).runId).not.toBeNull();
    propagator.shutdown();
  });

  it('leaves alone what HTTP instrumentation was told to ignore', async () => {
    const contexts = new AsyncLocalStorageContextManager().enable();
    context.setGlobalContextManager(contexts);
    const announced: string[] = [];
    setRunLifecycle({ started: () => void announced.push('started'), ended: () => void announced.push('ended') });
    app.use((_request, _response, next) => context.with(suppressTracing(context.active()), next));
    app.use(spanledger());
    app.get('/', (_request, response) => void response.end('served'));
    expect(await get({ 'x-workflow-id': 'w' })).toEqual({ text: 'served', runId: null });
    expect(announced).toEqual([]);
    context.disable();
  });

  it('announces one begin and one end where it is registered twice', async () => {
    const announced: string[] = [];
    const ended = new Promise<void>((resolve) => {
      setRunLifecycle({
        started: ({ run }) => void announced.push(`started ${run.id}`),
        ended: ({ run }, { status }) => {
          announced.push(`${status} ${run.id}`);
          resolve();
        },
      });
    });
    app.use(spanledger(), spanledger());
    app.get('/', (_request, response) => void response.end('served'));
    const { runId } = await get({ 'x-workflow-id': 'w' });
    await ended;
    expect(announced).toEqual([`started ${runId}`, `ok ${runId}`]);
  });
});
