import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { isTracingSuppressed } from '@opentelemetry/core';
import { getWorkflowContext, processState, setWorkflowContext } from '@spanledger/otel/internal';
import { checkChain, eventId, parseEvent } from '@spanledger/protocol';
import type { AuditSink } from '@spanledger/protocol';
import { assertLedger, assertValidEvents } from '@spanledger/testkit';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { createEventBus } from '../src/bus.ts';
import type { EventBus } from '../src/bus.ts';
import { createAuditPipeline, memorySink } from '../src/index.ts';
import { eventsOf, eventually, gateSink, newScope, sha256 } from './support.ts';

const SPAN = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), parentSpanId: 'c'.repeat(16), sampled: true };

function setUp(options: { maxEvents?: number; eventMaxBytes?: number } = {}) {
  const sink = memorySink(options);
  const { eventMaxBytes = 65_536 } = options;
  return { sink, pipeline: createAuditPipeline({ producer: 'svc', sink, eventMaxBytes }) };
}

const runIdOf = (bytes: Uint8Array): string | undefined => parseEvent(bytes)?.run_id;

describe('sealing', () => {
  it('stores all of a synchronous burst of 10,000, in order, and starts no write inside of the hook', async () => {
    const sink = gateSink();
    const pipeline = createAuditPipeline({ producer: 'svc', sink });
    const scope = newScope();
    const ids = Array.from({ length: 10_000 }, (_, n) => pipeline.emit(scope, { event: 'tool_exec', fields: { n } }));
    expect(sink.started).toBe(0);
    sink.open();
    expect(await pipeline.flush()).toBe(true);
    const ofRun = sink.stored.records.map(({ bytes }) => bytes).filter((bytes) => runIdOf(bytes) === scope.run.id);
    expect(checkChain(ofRun, sha256)).toMatchObject({ status: 'ok', count: 10_000 });
    expect(ids.at(-1)).toBe(`${scope.run.id}:10000`);
    assertLedger(sink.stored.records);
  });

  it('writes who, where and when from the run and the scope, and nothing that is absent', async () => {
    const sink = memorySink();
    const pipeline = createAuditPipeline({
      producer: 'svc',
      sink,
      agentVersion: '1.2.3',
      orgId: 'org',
      workspaceId: 'ws',
    });
    const full = newScope({
      workflowId: 'wf',
      executionId: 'ex',
      stageId: 'st',
      stepId: 'sp',
      attempt: 2,
      caller: 'up',
    });
    full.run.callerVerified = true;
    pipeline.emit(full, {
      event: 'llm_call',
      time: [1, 2000],
      span: SPAN,
      durationMs: 1.6,
      model: 'm',
      inputTokens: 3,
    });
    const bare = newScope({});
    pipeline.emit(bare, { event: 'tool_exec', span: { ...SPAN, sampled: false }, fields: {}, model: '' });
    await pipeline.flush();
    const [first, second] = assertValidEvents(sink.records);
    expect(first).toEqual({
      ts: '1970-01-01T00:00:01.000002Z',
      event: 'llm_call',
      schema_version: '1.0',
      producer: 'svc',
      run_id: full.run.id,
      seq: 1,
      prev_hash: '0'.repeat(64),
      correlation_id: full.run.id,
      workflow_id: 'wf',
      workflow_execution_id: 'ex',
      stage_id: 'st',
      step_id: 'sp',
      attempt_epoch: 2,
      invocation_caller: 'up',
      caller_verified: true,
      entity_type: 'agent',
      entity_id: 'svc',
      agent_version: '1.2.3',
      org_id: 'org',
      workspace_id: 'ws',
      trace_id: SPAN.traceId,
      span_id: SPAN.spanId,
      parent_span_id: SPAN.parentSpanId,
      trace_sampled: true,
      duration_ms: 2,
      model: 'm',
      input_tokens: 3,
    });
    const absent = [
      'workflow_id',
      'workflow_execution_id',
      'stage_id',
      'step_id',
      'attempt_epoch',
      'trace_sampled',
      'fields',
      'model',
    ];
    for (const key of absent) expect(second).not.toHaveProperty(key);
    expect(sink.records.map(({ subject }) => subject)).toEqual(['auditEvent.wf.ex.svc', 'auditEvent.-.-.svc']);
  });

  it('publishes flat where that is asked for', async () => {
    const sink = memorySink();
    const pipeline = createAuditPipeline({ producer: 'svc', sink, subject: 'auditEvent' });
    pipeline.emit(newScope(), { event: 'tool_exec' });
    await pipeline.flush();
    expect(sink.records[0]?.subject).toBe('auditEvent');
  });

  it('does not see what happens to an event after it was emitted (I1)', async () => {
    const { sink, pipeline } = setUp();
    const fields = { list: ['kept'], text: 'kept' };
    const time: [number, number] = [1, 0];
    pipeline.emit(newScope(), { event: 'tool_exec', fields, time });
    fields.list.push('added');
    fields.text = 'changed';
    time[0] = 99;
    await pipeline.flush();
    expect(eventsOf(sink)[0]).toMatchObject({
      ts: '1970-01-01T00:00:01.000000Z',
      fields: { list: ['kept'], text: 'kept' },
    });
  });

  it('cannot be reached by fields named like structural ones (I6)', async () => {
    const { sink, pipeline } = setUp();
    const scope = newScope();
    const fields = JSON.parse('{"seq":99,"run_id":"forged","__proto__":{"producer":"forged"}}') as Record<
      string,
      string
    >;
    pipeline.emit(scope, { event: 'tool_exec', fields });
    await pipeline.flush();
    expect(eventsOf(sink)[0]).toMatchObject({ seq: 1, run_id: scope.run.id, producer: 'svc' });
  });

  it('keeps the event and drops the payload where that cannot be written (I5, I6)', async () => {
    const { sink, pipeline } = setUp();
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;
    const scope = newScope();
    expect(pipeline.emit(scope, { event: 'tool_exec', fields: cyclic as never })).toBe(`${scope.run.id}:1`);
    expect(pipeline.emit(scope, { event: 'not a name' })).toBeUndefined();
    expect(pipeline.emit(scope, { event: 'tool_exec' })).toBe(`${scope.run.id}:2`);
    await pipeline.flush();
    expect(eventsOf(sink)[0]?.fields).toEqual({ '…': '[unreadable]' });
    assertLedger(sink.records);
  });

  it('keeps every event under eventMaxBytes by cutting the largest values with a mark', async () => {
    const eventMaxBytes = 32_768;
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.tuple(fc.constantFrom('x', '\u0000', '🐎', '"', 'ž'), fc.nat(60_000)).map(([unit, n]) => unit.repeat(n)),
    );
    const fields = fc.dictionary(fc.string({ maxLength: 40 }), fc.oneof(text, fc.array(text, { maxLength: 4 })), {
      maxKeys: 40,
    });
    await fc.assert(
      fc.asyncProperty(fields, async (given) => {
        const { sink, pipeline } = setUp({ eventMaxBytes });
        pipeline.emit(newScope(), { event: 'tool_exec', fields: given, span: SPAN, model: '\u0001'.repeat(9_999) });
        await pipeline.flush();
        const [record] = sink.records;
        expect(record!.bytes.length).toBeLessThanOrEqual(eventMaxBytes);
        const [event] = assertValidEvents([record!]);
        const cut =
          JSON.stringify(event!['fields'] ?? {}) !== JSON.stringify(Object.keys(given).length > 0 ? given : {});
        if (cut) expect(JSON.stringify(event!['fields'])).toMatch(/…\[truncated:\d+\]/);
      }),
      { numRuns: 60 },
    );
  });

  it('also where all that is not fields is as long as it can be', async () => {
    const control = (length: number): string => '\u0001'.repeat(length);
    const own = { agentVersion: control(128), orgId: control(128), workspaceId: control(128) };
    const sink = memorySink();
    const pipeline = createAuditPipeline({ producer: control(128), ...own, sink });
    const id = '\\'.repeat(128);
    const workflow = { workflowId: id, executionId: id, stageId: id, stepId: id, caller: id, attempt: 1 };
    const text = control(300);
    const ids = { taskId: text, sessionId: text, clientRequestId: text, entityType: text, requestId: text };
    const span = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), parentSpanId: 'c'.repeat(16), sampled: true };
    for (let units = 7_500; units < 8_300; units += 10) {
      const fields = { value: control(units) };
      pipeline.emit(newScope(workflow), { event: 'e', ...ids, model: text, provider: text, span, fields });
    }
    await pipeline.flush();
    expect(Math.max(...sink.records.map(({ bytes }) => bytes.length))).toBeLessThanOrEqual(65_536);
  });

  it('leaves small values whole beside a huge one', async () => {
    const { sink, pipeline } = setUp();
    pipeline.emit(newScope(), { event: 'tool_exec', fields: { small: 'y'.repeat(900), huge: 'x'.repeat(200_000) } });
    await pipeline.flush();
    const { small, huge } = eventsOf(sink)[0]!.fields as { small: string; huge: string };
    expect(small).toBe('y'.repeat(900));
    expect(huge).toMatch(/^x{20000,}…\[truncated:\d+\]$/);
    expect(Number(/\d+/.exec(huge)![0])).toBe(200_000 - huge.indexOf('…'));
  });
});

describe('flush and shutdown', () => {
  it('flush waits for what was emitted before it, and not for what came later', async () => {
    const sink = gateSink();
    const pipeline = createAuditPipeline({ producer: 'svc', sink });
    const scope = newScope();
    pipeline.emit(scope, { event: 'tool_exec' });
    expect(await pipeline.flush(20)).toBe(false);
    const flushed = pipeline.flush();
    const chatter = setInterval(() => pipeline.emit(scope, { event: 'tool_exec' }), 1);
    sink.open();
    expect(await flushed).toBe(true);
    clearInterval(chatter);
    expect(await pipeline.flush()).toBe(true);
  });

  it('flush is not fooled by later events that are stored first', async () => {
    const stored = memorySink();
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const sink: AuditSink = {
      ...stored,
      async writeEvent(event) {
        if (event.seq === 1) await gate;
        return stored.writeEvent(event);
      },
    };
    const pipeline = createAuditPipeline({ producer: 'svc', sink });
    const scope = newScope();
    pipeline.emit(scope, { event: 'tool_exec' });
    const first = pipeline.flush();
    pipeline.emit(scope, { event: 'tool_exec' });
    pipeline.emit(scope, { event: 'tool_exec' });
    await eventually(() => expect(stored.records).toHaveLength(2));
    expect(await Promise.race([first, new Promise((resolve) => setTimeout(resolve, 20, 'waiting'))])).toBe('waiting');
    release();
    expect(await first).toBe(true);
  });

  it('shutdown stores what was emitted, closes the sink, and refuses what comes when it is over', async () => {
    const { sink, pipeline } = setUp();
    const scope = newScope();
    for (let n = 0; n < 1_000; n += 1) pipeline.emit(scope, { event: 'tool_exec' });
    const done = pipeline.shutdown();
    expect(pipeline.emit(scope, { event: 'meanwhile' })).toBeDefined();
    await Promise.all([done, pipeline.shutdown()]);
    expect(pipeline.emit(scope, { event: 'tool_exec' })).toBeUndefined();
    expect(eventsOf(sink, scope.run.id)).toHaveLength(1_001);
    expect(scope.run.chain.seq).toBe(1_001);
    expect(await sink.writeEvent({} as never)).toMatchObject({ status: 'failed' });
  });

  it('waits as long as it takes where the deadline is Infinity', async () => {
    const gate = gateSink();
    const pipeline = createAuditPipeline({ producer: 'svc', sink: gate });
    const scope = newScope();
    pipeline.emit(scope, { event: 'tool_exec' });
    const flushed = pipeline.flush(Infinity);
    const done = pipeline.shutdown(Infinity);
    setTimeout(() => gate.open(), 50);
    expect(await flushed).toBe(true);
    await done;
    expect(eventsOf(gate.stored, scope.run.id)).toHaveLength(1);
  });

  it("has an instance run of its own: two pipelines make no gap in each other's ledger (I9)", async () => {
    const [a, b] = [setUp(), setUp()];
    for (let n = 0; n < 3; n += 1)
      for (const { pipeline } of [a, b]) pipeline.emit(processState().instance, { event: 'boot' });
    for (const { pipeline, sink } of [a, b]) {
      await pipeline.shutdown();
      assertLedger(sink.records);
      const names = eventsOf(sink, pipeline.instance.run.id).map(({ event }) => event);
      expect(names).toEqual(['boot', 'boot', 'boot', 'audit_checkpoint']);
    }
  });

  it('seals nothing any more once it is shut down, whatever became of the rest', async () => {
    const gate = gateSink();
    const pipeline = createAuditPipeline({ producer: 'svc', sink: gate });
    const scope = newScope();
    for (let n = 0; n < 100; n += 1) pipeline.emit(scope, { event: 'tool_exec' });
    const { chain } = pipeline.instance.run;
    const before = chain.seq;
    await pipeline.shutdown(50);
    await new Promise((resolve) => setImmediate(resolve));
    expect(gate.started).toBe(100);
    expect(chain.seq).toBe(before);
  });

  it('shutdown keeps its deadline with a sink that does not answer', async () => {
    const sink = { ...gateSink(), close: async () => {} };
    const pipeline = createAuditPipeline({ producer: 'svc', sink });
    pipeline.emit(newScope(), { event: 'tool_exec' });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      let isDown = false;
      void pipeline.shutdown(1_000).then(() => (isDown = true));
      await vi.advanceTimersByTimeAsync(700);
      expect(isDown).toBe(false);
      await vi.advanceTimersByTimeAsync(300);
      expect(isDown).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('delivery', () => {
  it('keeps at most 1,024 writes in flight, and starts them in ledger order', async () => {
    const stored = memorySink();
    const order: string[] = [];
    let inFlight = 0;
    let most = 0;
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const sink: AuditSink = {
      ...stored,
      async writeEvent(event) {
        order.push(eventId(event));
        most = Math.max(most, (inFlight += 1));
        // The gate opens a few turns after the window is full, when it would have overflowed. Every seventh passes at once,
        // so that the window is not filled in whole turns.
        if (most === 1_024) setTimeout(open, 20);
        if (event.seq % 7 > 0) await gate;
        inFlight -= 1;
        return stored.writeEvent(event);
      },
    };
    const pipeline = createAuditPipeline({ producer: 'svc', sink });
    const scopes = [newScope(), newScope()];
    const ids = Array.from({ length: 10_000 }, (_, n) => pipeline.emit(scopes[n % 2]!, { event: 'tool_exec' }));
    await pipeline.flush();
    expect(most).toBe(1_024);
    expect(order.filter((id) => !id.startsWith(pipeline.instance.run.id))).toEqual(ids);
  });

  it('is not traced (I8), and leaves the context of whoever emitted alone', async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    const stored = memorySink();
    const seen: [suppressed: boolean, run: unknown][] = [];
    const sink: AuditSink = {
      ...stored,
      writeEvent(event) {
        seen.push([isTracingSuppressed(context.active()), getWorkflowContext()]);
        return stored.writeEvent(event);
      },
    };
    const pipeline = createAuditPipeline({ producer: 'svc', sink });
    const scope = newScope();
    context.with(setWorkflowContext(context.active(), scope), () => pipeline.emit(scope, { event: 'tool_exec' }));
    await pipeline.flush();
    expect(seen).toEqual([[true, undefined]]);
    context.disable();
  });

  it('is not traced when it is answered either, and is no affair of the request in which the sink has its answer', async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    const connected = setWorkflowContext(context.active(), newScope());
    const sink: AuditSink = {
      ...memorySink(),
      writeEvent: () => ({
        // oxlint-disable-next-line unicorn/no-thenable -- A promise would bring the context of who awaits it.
        then: (settled) =>
          setImmediate(() => context.with(connected, settled, undefined, { status: 'stored' as const })),
      }),
    };
    const seen: [suppressed: boolean, run: unknown][] = [];
    const publish: EventBus['publish'] = () => {
      seen.push([isTracingSuppressed(context.active()), getWorkflowContext()]);
      return { delivered: 0, dropped: 0 };
    };
    const bus = { ...createEventBus(), wants: () => true, publish };
    const pipeline = createAuditPipeline({ producer: 'svc', sink, bus });
    pipeline.emit(newScope(), { event: 'tool_exec' });
    await pipeline.flush();
    expect(seen).toEqual([[true, undefined]]);
    context.disable();
  });
});

describe('options', () => {
  it.each([
    ['producer', { producer: 'unknown_service:node' }, 'SPANLEDGER_PRODUCER'],
    ['eventMaxBytes', { eventMaxBytes: 100 }, 'SPANLEDGER_OPTION'],
    ['queueMaxBytes', { queueMaxBytes: 100_000 }, 'SPANLEDGER_OPTION'],
    ['orgId', { orgId: 'x'.repeat(200) }, 'SPANLEDGER_OPTION'],
  ])('refuses an unusable %s', (_, bad, code) => {
    const options = { producer: 'svc', sink: memorySink(), ...bad };
    expect(() => createAuditPipeline(options)).toThrow(expect.objectContaining({ code }));
  });
});
