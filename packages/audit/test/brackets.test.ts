import { beginRun } from '@spanledger/otel/internal';
import { assertLedger, assertValidEvents } from '@spanledger/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { createAuditPipeline, memorySink, registerPipeline } from '../src/index.ts';
import type { LifecycleMode } from '../src/index.ts';
import { eventsOf, newScope } from './support.ts';

let unregister: (() => void) | undefined;
afterEach(() => unregister?.());

function setUp(lifecycle?: LifecycleMode) {
  const sink = memorySink();
  const pipeline = createAuditPipeline({ producer: 'svc', sink, ...(lifecycle && { lifecycle }) });
  unregister = registerPipeline(pipeline);
  const read = async () => {
    await pipeline.flush();
    assertLedger(sink.records);
    assertValidEvents(sink.records);
    return eventsOf(sink);
  };
  return { pipeline, read };
}

describe('the lifecycle of a run', () => {
  it('is bracketed around what happens in it, with its true start', async () => {
    const { pipeline, read } = setUp();
    const scope = newScope();
    scope.run.callerCorrelationId = 'corr-1';
    const before = new Date().toISOString();
    const end = beginRun(scope);
    await new Promise((resolve) => setTimeout(resolve, 15));
    const first = new Date().toISOString();
    pipeline.emit(scope, { event: 'tool_exec' });
    end?.({ status: 'ok' });
    end?.({ status: 'error' });
    const events = await read();
    expect(events.map(({ event }) => event)).toEqual(['invocation_started', 'tool_exec', 'invocation_complete']);
    const startedMs = events[0]!.ts.slice(0, 23);
    expect(startedMs >= before.slice(0, 23) && startedMs < first.slice(0, 23)).toBe(true);
    expect(events[2]!.duration_ms).toBeGreaterThanOrEqual(14);
    expect(events[2]!.fields).toEqual({ caller_correlation_id: 'corr-1' });
  });

  it('is not changed by what happens to the span while it is held back (I1)', async () => {
    const { pipeline, read } = setUp();
    const scope = newScope();
    const time: [number, number] = [100, 0];
    pipeline.brackets.begin(scope, { time });
    time[0] = 999;
    pipeline.emit(scope, { event: 'tool_exec' });
    expect((await read())[0]?.ts).toBe('1970-01-01T00:01:40.000000Z');
  });

  it('leaves a run in which nothing is recorded without number and event', async () => {
    const { read } = setUp();
    const scope = newScope();
    beginRun(scope)?.({ status: 'ok' });
    expect(await read()).toEqual([]);
    expect(scope.run.chain.seq).toBe(0);
  });

  it('brackets every run, at once, where that is asked for', async () => {
    const { read } = setUp('always');
    const scope = newScope();
    const end = beginRun(scope);
    expect(scope.run.chain.seq).toBe(1);
    end?.({ status: 'ok' });
    expect((await read()).map(({ event }) => event)).toEqual(['invocation_started', 'invocation_complete']);
  });

  it('brackets before what comes late, so that a late event is late and not the first', async () => {
    const { pipeline, read } = setUp();
    const scope = newScope();
    beginRun(scope)?.({ status: 'ok' });
    pipeline.emit(scope, { event: 'tool_exec' });
    expect((await read()).map(({ event }) => event)).toEqual([
      'invocation_started',
      'invocation_complete',
      'tool_exec',
    ]);
  });

  it('has one emitter: the first claim wins', async () => {
    const { pipeline, read } = setUp('always');
    const scope = newScope();
    expect(beginRun(scope)).toBeDefined();
    expect(beginRun(scope)).toBeUndefined();
    pipeline.brackets.begin(scope);
    expect(await read()).toHaveLength(1);
  });

  it.each([
    [
      { status: 'error', error: new TypeError('no') } as const,
      'invocation_complete',
      { status: 'error', error_type: 'TypeError', error_message: 'no' },
    ],
    [
      { status: 'error', error: 'HTTP 500' } as const,
      'invocation_complete',
      { status: 'error', error_message: 'HTTP 500' },
    ],
    [{ status: 'error' } as const, 'invocation_complete', { status: 'error' }],
    [{ status: 'cancelled', reason: 'client left' } as const, 'invocation_cancelled', { reason: 'client left' }],
    [{ status: 'cancelled' } as const, 'invocation_cancelled', undefined],
  ])('ends as it ended: %j', async (outcome, event, fields) => {
    const { read } = setUp('always');
    beginRun(newScope())?.(outcome);
    const terminal = (await read()).at(-1);
    expect(terminal).toMatchObject({ event });
    expect(terminal?.fields).toEqual(fields);
  });

  it('believes a middleware over an entry span that saw nothing wrong', async () => {
    const { pipeline, read } = setUp('always');
    const scope = newScope();
    const span = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), sampled: true };
    const time: [number, number] = [100, 0];
    pipeline.brackets.begin(scope, { time, span });
    scope.run.outcome = { status: 'cancelled', reason: 'client closed the connection' };
    time[0] = 101;
    pipeline.brackets.end(scope, { status: 'ok' }, { time, span, durationMs: 1_000 });
    const [started, ended] = await read();
    expect(started).toMatchObject({ ts: '1970-01-01T00:01:40.000000Z', span_id: span.spanId });
    expect(ended).toMatchObject({
      event: 'invocation_cancelled',
      ts: '1970-01-01T00:01:41.000000Z',
      duration_ms: 1_000,
    });
  });

  it('survives errors that do not want to be read', async () => {
    const { read } = setUp('always');
    const hostile = Object.defineProperty(new Error(), 'message', {
      get() {
        throw new Error('no');
      },
    });
    beginRun(newScope())?.({ status: 'error', error: hostile });
    beginRun(newScope())?.({ status: 'error', error: new Error('x'.repeat(100_000)) });
    const terminals = (await read()).filter(({ event }) => event === 'invocation_complete');
    expect(terminals[0]?.fields).toEqual({ status: 'error' });
    expect(JSON.stringify(terminals[1]).length).toBeLessThan(2_000);
  });

  it('is registered once, and can be registered again after it was taken away', () => {
    const { pipeline } = setUp();
    expect(() => registerPipeline(pipeline)).toThrow(expect.objectContaining({ code: 'SPANLEDGER_STARTED' }));
    unregister?.();
    unregister = registerPipeline(pipeline);
  });
});
