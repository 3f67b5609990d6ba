import { ROOT_CONTEXT, SpanKind, context, propagation, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { headers as natsHeaders } from 'nats';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { currentWorkflow, extractWorkflow, receive } from '../src/index.ts';
import { Run, beginRun, getWorkflowContext, setRunLifecycle, setWorkflowContext } from '../src/internal.ts';
import { FULL, headersOf, registerTracing, unregisterTracing } from './support.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
let told: unknown[][];

beforeEach(() => {
  told = [];
  registerTracing();
  setRunLifecycle({
    started: ({ run }) => told.push(['started', run.id]),
    ended: ({ run }, outcome) => told.push(['ended', run.id, outcome]),
  });
});
afterEach(() => {
  setRunLifecycle(undefined);
  unregisterTracing();
});

const outcomes = () => told.filter(([what]) => what === 'ended').map(([, , outcome]) => outcome);
const abort = () => AbortSignal.abort().throwIfAborted();

describe('receive', () => {
  it('runs the handler in the workflow and the trace of the message, and announces begin and end', async () => {
    const headers = natsHeaders();
    for (const [name, value] of Object.entries(headersOf(FULL))) headers.set(name, value);
    headers.set('traceparent', `00-${TRACE}-b7ad6b7169203331-01`);
    const seen = await receive(headers, async () => {
      await Promise.resolve();
      return { here: currentWorkflow(), traceId: trace.getActiveSpan()?.spanContext().traceId, told: told.length };
    });
    const runId = seen.here?.runId;
    expect(seen).toStrictEqual({ here: { ...FULL, runId }, traceId: TRACE, told: 1 });
    expect(told).toStrictEqual([
      ['started', runId],
      ['ended', runId, { status: 'ok' }],
    ]);
  });

  it('throws on what the handler throws, and says how the run ended', async () => {
    const error = new Error('no');
    await expect(receive({}, () => Promise.reject(error))).rejects.toBe(error);
    await expect(receive({}, abort)).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
    expect(outcomes()).toStrictEqual([
      { status: 'error', error },
      { status: 'cancelled', reason: 'This operation was aborted' },
    ]);
  });

  it('is a run of its own wherever it is called, also for no headers at all', async () => {
    const outer = { run: new Run('workflow', FULL), workflow: FULL };
    await context.with(setWorkflowContext(ROOT_CONTEXT, outer), async () => {
      for (const carrier of [undefined, {}]) {
        const here = await receive(carrier, () => currentWorkflow());
        expect(here).toStrictEqual({ runId: expect.any(String) });
        expect(here?.runId).not.toBe(outer.run.id);
      }
    });
  });

  it('handles a message whose headers cannot be read', async () => {
    propagation.disable();
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    const throwing = () => {
      throw new Error('no');
    };
    const carrier = new Proxy({}, { get: throwing, ownKeys: throwing });
    expect(await receive(carrier, () => 'handled')).toBe('handled');
  });

  it('announces nothing where the entry span does, but leaves it the outcome', async () => {
    const carrier = headersOf(FULL);
    const scope = getWorkflowContext(extractWorkflow(carrier));
    scope?.run.claimLifecycle();
    await expect(receive(carrier, abort)).rejects.toThrow('aborted');
    expect(told).toStrictEqual([]);
    expect(scope?.run.outcome).toMatchObject({ status: 'cancelled' });
  });

  it('stays under a consumer span of the same trace', async () => {
    const carrier = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` };
    const remote = trace.setSpanContext(ROOT_CONTEXT, {
      traceId: TRACE,
      spanId: 'b7ad6b7169203331',
      traceFlags: 1,
      isRemote: true,
    });
    const consumer = trace.getTracer('any').startSpan('process', { kind: SpanKind.CONSUMER }, remote);
    const active = await context.with(trace.setSpan(ROOT_CONTEXT, consumer), () =>
      receive(carrier, () => trace.getActiveSpan()),
    );
    expect(active).toBe(consumer);
  });
});

describe('beginRun', () => {
  it('has one emitter per run, and one end', () => {
    const scope = getWorkflowContext(extractWorkflow({}));
    if (scope === undefined) throw new Error('no scope');
    const end = beginRun(scope);
    expect(beginRun(scope)).toBeUndefined();
    end?.({ status: 'ok' });
    end?.({ status: 'error' });
    expect(told).toStrictEqual([
      ['started', scope.run.id],
      ['ended', scope.run.id, { status: 'ok' }],
    ]);
  });
});
