import type * as NodeHttp from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { WorkflowPropagator, serveRequest, workflowFetch } from '@spanledger/otel';
import type { AuditEvent } from '@spanledger/protocol';
import { assertLedger, assertValidEvents } from '@spanledger/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createAuditPipeline, memorySink, registerPipeline, workflow } from '../src/index.ts';
import type { AuditPipeline, MemorySink } from '../src/index.ts';
import { eventsOf } from './support.ts';

const instrumentation = new HttpInstrumentation();
// By `require`, which is what the instrumentation patches.
const http = createRequire(import.meta.url)('node:http') as typeof NodeHttp;

let server: NodeHttp.Server;
let agent: string;
let propagator: WorkflowPropagator;
let sink: MemorySink;
let pipeline: AuditPipeline;
let unregister: (() => void) | undefined;

beforeAll(async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const provider = new TracerProvider({});
  trace.setGlobalTracerProvider(provider);
  propagator = new WorkflowPropagator({ producer: 'orchestrator', outbound: { allowedHosts: ['127.0.0.1'] } });
  propagation.setGlobalPropagator(propagator);
  instrumentation.setTracerProvider(provider);
  server = http.createServer((request, response) =>
    request.url === '/stranger' ? response.end() : serveRequest(request, response, () => response.end()),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  agent = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  instrumentation.disable();
  propagator.shutdown();
  propagation.disable();
  trace.disable();
  context.disable();
});
beforeEach(() => {
  sink = memorySink();
  begin('with-events');
});
afterEach(() => {
  unregister?.();
  unregister = undefined;
});

function begin(lifecycle: 'always' | 'with-events'): void {
  unregister?.();
  pipeline = createAuditPipeline({ producer: 'orchestrator', sink, lifecycle });
  unregister = registerPipeline(pipeline);
}

const call = async (path = '/'): Promise<string | null> =>
  (await workflowFetch(agent + path)).headers.get('x-workflow-run-id');

function callByHttp(): Promise<unknown> {
  return new Promise((resolve, reject) => {
    http
      .get(agent, (response) => response.resume().on('end', () => resolve(response.headers['x-workflow-run-id'])))
      .on('error', reject);
  });
}

/** The orchestrator's own events of the given names. */
async function ends(...names: string[]): Promise<AuditEvent[]> {
  await pipeline.flush();
  assertLedger(sink.records);
  assertValidEvents(sink.records);
  return eventsOf(sink).filter(({ event }) => names.includes(event));
}

describe('fields.dispatched', () => {
  it('names the runs that a step was answered with, in the end event of that step', async () => {
    const answered: unknown[] = [];
    await workflow.run({}, async (run) => {
      await run.step('plan', async () => answered.push(await call(), await callByHttp()));
      await run.step('think', () => 42);
    });
    const [plan, think] = await ends('workflow_step_completed');
    expect(plan?.fields).toEqual({ dispatched: answered.map((run_id) => ({ run_id, host: '127.0.0.1' })) });
    expect(answered.every((id) => typeof id === 'string')).toBe(true);
    expect(think).not.toHaveProperty('fields');
  });

  it('says of a run that has an event that it must be found', async () => {
    begin('always');
    await workflow.run({}, (run) => run.step('plan', () => call()));
    const [plan] = await ends('workflow_step_completed');
    const [dispatched] = plan!.fields!['dispatched'] as { run_id: string }[];
    expect(dispatched).toEqual({ run_id: expect.any(String), host: '127.0.0.1', recorded: true });
    expect(eventsOf(sink, dispatched?.run_id).map(({ event }) => event)).toContain('invocation_started');
  });

  it('tells parallel steps, parts of steps and attempts apart', async () => {
    const answered = new Map<string, unknown>();
    const ask = (key: string) => async (): Promise<void> => void answered.set(key, await call());
    let tries = 0;
    await workflow.run({ workflowId: 'wf' }, async (run) => {
      await ask('wf')();
      await Promise.all([run.step('a', ask('a 1')), run.step('b', ask('b 1'))]);
      await run.step('outer', async () => {
        await run.step('inner', ask('inner 1'));
        await ask('outer 1')();
      });
      await run.step('flaky', { attempts: 2 }, async () => {
        tries += 1;
        await ask(`flaky ${tries}`)();
        if (tries === 1) throw new Error('once');
      });
    });
    const named = await ends('workflow_step_completed', 'workflow_step_failed', 'workflow_complete');
    const dispatched = named.map(({ step_id, attempt_epoch, fields }) => {
      const runs = fields?.['dispatched'] as { run_id: string }[];
      return [step_id === undefined ? 'wf' : `${step_id} ${attempt_epoch}`, runs.map(({ run_id }) => run_id)];
    });
    expect(new Map(dispatched as [string, string[]][])).toEqual(
      new Map([...answered].map(([key, runId]) => [key, [runId]])),
    );
  });

  it('is absent where nobody of ours answered, and where the step had ended before', async () => {
    let late: Promise<unknown> | undefined;
    await workflow.run({}, async (run) => {
      await run.step('stranger', () => call('/stranger'));
      await run.step('hasty', () => void (late = call()));
      await late;
    });
    expect(await late).toEqual(expect.any(String));
    for (const event of await ends('workflow_step_completed', 'workflow_complete'))
      expect(event).not.toHaveProperty('fields');
  });

  it('names at most 64, and says how many more there were', async () => {
    await workflow.run({}, (run) => run.step('fan-out', () => Promise.all(Array.from({ length: 70 }, () => call()))));
    const [step] = await ends('workflow_step_completed');
    expect(step?.fields?.['dispatched']).toHaveLength(64);
    expect(step?.fields?.['dispatched_more']).toBe(6);
  });

  it('keeps hold of nothing', async () => {
    await workflow.run({}, (run) => run.step('plan', () => call()));
    const live = Reflect.get(globalThis, Symbol.for('@spanledger/audit/live-activities@1')) as Map<string, unknown>;
    expect(live.size).toBe(0);
  });
});
