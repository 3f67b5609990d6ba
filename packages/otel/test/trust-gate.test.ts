import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ROOT_CONTEXT, context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WorkflowPropagator, extractWorkflow, verifyCaller } from '../src/index.ts';
import { getWorkflowContext } from '../src/internal.ts';
import type { TrustInbound } from '../src/index.ts';
import type { WorkflowContext } from '../src/internal.ts';
import { FULL, headersOf, listen } from './support.ts';

beforeAll(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
afterAll(() => context.disable());

/** One real request to a server that extracts as HTTP instrumentation does. */
async function request(trustInbound: TrustInbound, headers: Record<string, string>): Promise<WorkflowContext> {
  const propagator = new WorkflowPropagator({ trustInbound });
  let scope: WorkflowContext | undefined;
  const server = createServer((incoming, response) => {
    scope = getWorkflowContext(propagator.extract(ROOT_CONTEXT, incoming.headers));
    response.end();
  });
  await listen(server);
  await (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/path`, { headers })).text();
  await new Promise((resolve) => server.close(resolve));
  propagator.shutdown();
  if (scope === undefined) throw new Error('the server saw no request');
  return scope;
}

describe('trust gate', () => {
  it('is asked with the request that the headers belong to', async () => {
    const asked: (IncomingMessage | undefined)[] = [];
    const gate = (incoming: IncomingMessage | undefined) => {
      asked.push(incoming);
      return incoming?.headers.authorization === 'secret';
    };
    expect((await request(gate, { ...headersOf(FULL), authorization: 'secret' })).workflow).toStrictEqual(FULL);
    expect((await request(gate, headersOf(FULL))).workflow).toStrictEqual({});
    expect(asked.map((incoming) => incoming?.url)).toStrictEqual(['/path', '/path']);
  });

  it('need not judge what claims nothing', async () => {
    let asked = 0;
    await request(() => (asked += 1) > 0, { accept: '*/*' });
    expect(asked).toBe(0);
  });

  it.each<[string, TrustInbound, object, boolean]>([
    ['true', true, FULL, false],
    ['false', false, {}, false],
    ['verified', () => 'verified', FULL, true],
    [
      'a throw',
      () => {
        throw new Error('no');
      },
      {},
      false,
    ],
    ['a promise', (async () => true) as unknown as TrustInbound, {}, false],
    [
      'a rejected promise',
      (async () => {
        throw new Error('no');
      }) as unknown as TrustInbound,
      {},
      false,
    ],
    ['another truthy value', (() => 'yes') as unknown as TrustInbound, {}, false],
  ])('%s', async (_name, gate, workflow, verified) => {
    const scope = await request(gate, headersOf(FULL));
    expect(scope.workflow).toStrictEqual(workflow);
    expect(scope.run.callerVerified).toBe(verified);
    expect(scope.run.executionId).toBe('executionId' in workflow ? FULL.executionId : undefined);
  });

  it('has no request for a message, only its carrier', () => {
    const seen: unknown[] = [];
    const propagator = new WorkflowPropagator({ trustInbound: (...args) => (seen.push(...args), true) });
    const carrier = headersOf(FULL);
    expect(getWorkflowContext(extractWorkflow(carrier))?.workflow).toStrictEqual(FULL);
    expect(seen).toStrictEqual([undefined, carrier]);
    propagator.shutdown();
    expect(getWorkflowContext(extractWorkflow(headersOf(FULL)))?.workflow).toStrictEqual(FULL);
    expect(seen).toHaveLength(2);
  });
});

describe('verifyCaller', () => {
  it('upgrades the run of this request, never the instance run', () => {
    const ctx = extractWorkflow(headersOf(FULL));
    context.with(ctx, () => verifyCaller());
    expect(getWorkflowContext(ctx)?.run.callerVerified).toBe(true);
    verifyCaller(ROOT_CONTEXT);
    expect(getWorkflowContext(extractWorkflow({}))?.run.callerVerified).toBe(false);
  });
});
