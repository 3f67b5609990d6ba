import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import type { Attributes, Span } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import { WorkflowSampler } from '@spanledger/otel';
import { getWorkflowContext } from '@spanledger/otel/internal';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  InMemorySpanExporter,
  ParentBasedSampler,
  SimpleSpanProcessor,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node';
import type { Sampler } from '@opentelemetry/sdk-trace-node';
import { buildSpan } from '@spanledger/testkit';
import { describe, expect, it } from 'vitest';
import { AuditSpanProcessor, genai } from '../src/index.ts';
import { inbound, inRun, traced } from './span-fixture.ts';

const charge = { when: { name: 'charge-card' }, event: 'payment', fields: ['amount', 'note'] };

describe('AuditSpanProcessor', () => {
  it('seals a designated span as it ended, with its place in trace and workflow', async () => {
    const { tracer, events } = traced({ rules: charge });
    const ctx = inbound({ 'x-workflow-id': 'wf', 'x-workflow-execution-id': 'ex', 'x-workflow-step-attempt': '2' });
    const parent = tracer.startSpan('parent', {}, ctx);
    const span = tracer.startSpan(
      'charge-card',
      { startTime: [1_700_000_000, 0], attributes: { amount: 5 } },
      trace.setSpan(ctx, parent),
    );
    span.end([1_700_000_001, 234_567_000]);
    parent.end();
    expect(await events()).toMatchObject([
      {
        ts: '2023-11-14T22:13:21.234567Z',
        event: 'payment',
        seq: 1,
        workflow_id: 'wf',
        workflow_execution_id: 'ex',
        attempt_epoch: 2,
        trace_id: span.spanContext().traceId,
        span_id: span.spanContext().spanId,
        parent_span_id: parent.spanContext().spanId,
        trace_sampled: true,
        duration_ms: 1235,
        fields: { amount: 5 },
      },
    ]);
  });

  it('takes identity from the run, not from attributes', async () => {
    const { tracer, events } = traced({ rules: charge });
    const span = tracer.startSpan('charge-card', {}, inbound({ 'x-workflow-execution-id': 'real' }));
    span.setAttributes({ 'forge.workflow.execution.id': 'forged', 'forge.run.id': 'forged' }).end();
    const [event] = await events();
    expect(event).toMatchObject({ workflow_execution_id: 'real' });
    expect(JSON.stringify(event)).not.toContain('forged');
  });

  it('decides at the start where a rule has one, and is bound to the end', async () => {
    const events = { start: 'import_started', end: 'import_done', error: 'import_failed' };
    const rule = { when: { name: 'import', attributes: { kind: 'full' } }, event: events, fields: ['kind', 'rows'] };
    const run = traced({ rules: [rule, { when: { name: 'renamed' }, event: 'wrong' }] });
    const ctx = inRun();
    const span = run.tracer.startSpan('import', { attributes: { kind: 'full' } }, ctx);
    run.tracer.startSpan('import', {}, ctx).end();
    span.updateName('renamed').setAttributes({ kind: 'partial', rows: 3 }).end();
    const failed = run.tracer.startSpan('import', { attributes: { kind: 'full' } }, ctx);
    failed.setStatus({ code: SpanStatusCode.ERROR }).end();
    const open = run.tracer.startSpan('import', { attributes: { kind: 'full' } }, ctx);
    expect(open.isRecording()).toBe(true);
    const all = await run.events();
    expect(all.map(({ event, fields }) => [event, fields])).toEqual([
      ['import_started', { kind: 'full' }],
      ['import_done', { kind: 'partial', rows: 3 }],
      ['import_started', { kind: 'full' }],
      ['import_failed', { kind: 'full', status: 'error' }],
      ['import_started', { kind: 'full' }],
    ]);
    expect(all[0]).not.toHaveProperty('duration_ms');
  });

  it("follows a span's own forge.audit.event; a rule still gives the fields", async () => {
    const { tracer, events, processor } = traced({ rules: charge });
    const ctx = inRun();
    const mark = (name: string, event: string) =>
      tracer.startSpan(name, { attributes: { 'forge.audit.event': event, amount: 1 } }, ctx).end();
    mark('export', 'report_exported');
    mark('charge-card', 'refund');
    mark('charge-card', 'Not A Name');
    mark('export', 'x'.repeat(10_000));
    const all = await events();
    expect(all.map(({ event }) => event)).toEqual(['report_exported', 'refund', 'payment']);
    expect(all.map(({ fields }) => fields)).toEqual([undefined, { amount: 1 }, { amount: 1 }]);
    expect(processor.faults.event_name).toBe(2);
  });

  it('seals marked span events before the end of their span, each at its own time', async () => {
    const { tracer, events } = traced({ rules: charge, spanLimits: { eventCountLimit: 3 } });
    const span = tracer.startSpan('charge-card', { startTime: [100, 0] }, inRun());
    for (let i = 0; i < 2; i += 1) span.addEvent('dropped', { 'forge.audit.event': 'dropped_one' }, [100, i]);
    span.addEvent(
      'checked',
      { 'forge.audit.event': 'guardrail_check', verdict: 'pass', 'gen_ai.prompt': 'abc' },
      [101, 0],
    );
    span.addEvent('unmarked', { verdict: 'none' }, [102, 0]);
    span.addEvent('bad', { 'forge.audit.event': 'Bad' }, [103, 0]);
    span.end([104, 0]);
    expect(await events()).toMatchObject([
      {
        event: 'guardrail_check',
        ts: '1970-01-01T00:01:41.000000Z',
        span_id: span.spanContext().spanId,
        fields: { verdict: 'pass', 'gen_ai.prompt_size': 3, dropped_span_events: 2 },
      },
      { event: 'payment', ts: '1970-01-01T00:01:44.000000Z', fields: { dropped_span_events: 2 } },
    ]);
  });

  it('says what an exception was, where the span does not', async () => {
    const { tracer, events } = traced({ rules: charge });
    const span = tracer.startSpan('charge-card', {}, inRun());
    span.recordException(new RangeError('too much'));
    span.setStatus({ code: SpanStatusCode.ERROR, message: 'x'.repeat(5000) }).end();
    const [event] = await events();
    expect(event?.fields).toMatchObject({ status: 'error', error_type: 'RangeError' });
    expect(event?.fields?.['error_message']).toMatch(/^x{512}…\[truncated:4488\]$/);
  });

  it('makes one event of a span, however often it ends, and none of one that does not end', async () => {
    const { tracer, events, processor } = traced({ rules: charge });
    const ctx = inRun();
    const span = tracer.startSpan('charge-card', {}, ctx);
    span.end();
    span.end();
    processor.onEnd(span as never);
    tracer.startSpan('charge-card', {}, ctx);
    expect(await events()).toHaveLength(1);
  });

  it('is not told of suppressed spans', async () => {
    const { tracer, events } = traced({ rules: charge });
    tracer.startSpan('charge-card', {}, suppressTracing(inRun())).end();
    expect(await events()).toEqual([]);
  });

  it('sees nothing of what happens to a span after it ended', async () => {
    const { tracer, events } = traced({ rules: { ...charge, fields: ['amount', 'list'] } });
    const list = ['a'];
    const span = tracer.startSpan('charge-card', { attributes: { amount: 1, list } }, inRun());
    span.end();
    const seen = span as unknown as { name: string; attributes: Record<string, unknown>; endTime: number[] };
    seen.name = 'changed';
    seen.attributes['amount'] = 2;
    seen.endTime[0] = 0;
    list.push('b');
    expect(await events()).toMatchObject([{ event: 'payment', fields: { amount: 1, list: ['a'] } }]);
  });

  it('records 10,000 spans of one synchronous burst', async () => {
    const { tracer, events } = traced({ rules: charge });
    const ctx = inRun();
    for (let i = 0; i < 10_000; i += 1) tracer.startSpan('charge-card', { attributes: { amount: i } }, ctx).end();
    const all = (await events()).filter(({ event }) => event !== 'audit_checkpoint');
    expect(all).toHaveLength(10_000);
    expect(all[9_999]).toMatchObject({ seq: 10_000, fields: { amount: 9_999 } });
  });
});

/** What must not happen to attributes, and does: code that writes past `setAttribute`. */
function hostile(span: Span, key: string, value: unknown): void {
  (span as unknown as { attributes: Attributes }).attributes[key] = value as never;
}

describe('hostile spans', () => {
  it.each<[string, unknown, unknown]>([
    ['a BigInt', 10n ** 20n, '100000000000000000000'],
    ['huge', 'x'.repeat(10_000_000), `${'x'.repeat(1024)}…[truncated:9998976]`],
    ['a function', () => 1, undefined],
    ['a Buffer', Buffer.alloc(100), '[bytes:100]'],
    ['NaN', Number.NaN, 'NaN'],
  ])('an attribute that is %s', async (_, value, expected) => {
    const { tracer, events } = traced({ rules: charge });
    const span = tracer.startSpan('charge-card', { attributes: { amount: 1 } }, inRun());
    hostile(span, 'note', value);
    span.end();
    const [event] = await events();
    expect(event).toMatchObject({ event: 'payment', fields: { amount: 1 } });
    if (expected !== undefined) expect(event?.fields?.['note']).toBe(expected);
  });

  it('a cyclic attribute is marked', async () => {
    const { tracer, events } = traced({ rules: charge });
    const note: Record<string, unknown> = { a: 1 };
    note['self'] = note;
    const span = tracer.startSpan('charge-card', {}, inRun());
    hostile(span, 'note', note);
    span.end();
    expect(await events()).toMatchObject([{ fields: { note: { a: 1, self: '[cyclic]' } } }]);
  });

  it('a getter that throws loses its own field only', async () => {
    const { tracer, events, processor } = traced({
      rules: [{ when: { attributes: { bad: 1 } }, event: 'no' }, charge],
    });
    const span = tracer.startSpan('charge-card', { attributes: { amount: 1 } }, inRun());
    const bad = { enumerable: true, get: () => { throw new Error('getter'); } }; // prettier-ignore
    Object.defineProperties((span as unknown as { attributes: object }).attributes, { note: bad, bad });
    expect(() => span.end()).not.toThrow();
    expect(await events()).toMatchObject([{ event: 'payment', fields: { amount: 1, note: '[unreadable]' } }]);
    expect(processor.faults.rule).toBe(1);
  });

  it('a rule that throws drops the payload, not the event (I6), and a function that throws does not match', async () => {
    const fail = (): never => {
      throw new Error('rule');
    };
    const badName = () => ({ event: 'Not A Name' });
    // Nobody would take its rejection, and that ends a process.
    const later = (async () => fail()) as never;
    const rules = [fail, badName, later, { ...charge, fields: fail }];
    const { tracer, events, processor } = traced({ rules });
    const ctx = inRun();
    for (let i = 0; i < 3; i += 1) tracer.startSpan('charge-card', {}, ctx).end();
    expect(await events()).toMatchObject(
      Array.from({ length: 3 }, () => ({ event: 'payment', fields: { '…': '[unreadable]' } })),
    );
    expect(processor.faults).toMatchObject({ rule: 9, content: 3 });
  });

  it.each(['fields', 'details'])(
    '`%s` of a rule that answers with a promise drop the payload, not the event',
    async (name) => {
      const later = async (): Promise<never> => {
        throw new Error('rejected, and nobody takes it');
      };
      const { tracer, events, processor } = traced({ rules: [{ ...charge, [name]: later }] });
      tracer.startSpan('charge-card', {}, inRun()).end();
      expect(await events()).toMatchObject([{ event: 'payment', fields: { '…': '[unreadable]' } }]);
      expect(processor.faults.content).toBe(1);
    },
  );

  it('never throws into the application, whatever the span is', () => {
    const { processor } = traced({ rules: [charge, ...genai(), { when: { name: 'x' }, event: { start: 'x' } }] });
    const everything = new Proxy({}, { get: (_, key) => { throw new Error(String(key)); } }) as never; // prettier-ignore
    expect(() => processor.onStart(everything, ROOT_CONTEXT)).not.toThrow();
    expect(() => processor.onEnd(everything)).not.toThrow();
    expect(() => processor.onEnd({} as never)).not.toThrow();
    expect(processor.faults).toMatchObject({ start_hook: 1, end_hook: 2 });
  });

  it('times that are none are left to the pipeline', async () => {
    const { tracer, events } = traced({ rules: charge });
    const span = tracer.startSpan('charge-card', {}, inRun());
    span.end([Number.NaN, Number.NaN]);
    const [event] = await events();
    expect(Date.parse(String(event?.['ts']))).toBeGreaterThan(1_600_000_000_000);
    expect(event).not.toHaveProperty('duration_ms');
  });

  it('a time past what RFC 3339 can write does not cost the event (I3)', async () => {
    const { tracer, events } = traced({ rules: charge });
    const microseconds = Date.now() * 1000;
    tracer.startSpan('charge-card', {}, inRun()).end(microseconds);
    expect(Date.parse(String((await events())[0]?.['ts']))).toBeLessThan(microseconds);
  });

  it('details reach nothing but details, whatever a rule returns beside them (I6)', async () => {
    const span = { traceId: 'evil', spanId: 'evil', sampled: true };
    const more = { model: 'm', event: 'forged', time: [1, 0], durationMs: 42, span, fields: { forged: true } };
    const rules = [
      { when: { name: 'data' }, event: 'payment', details: () => more },
      () => ({ ...more, event: 'payment', fields: undefined }),
    ] as never;
    const { tracer, events } = traced({ rules });
    const ctx = inRun();
    const started = [tracer.startSpan('data', {}, ctx), tracer.startSpan('function', {}, ctx)];
    for (const one of started) one.end();
    const [first, second] = await events();
    for (const [i, event] of [first, second].entries()) {
      expect(event).toMatchObject({ event: 'payment', model: 'm', trace_id: started[i]!.spanContext().traceId });
      expect(event?.['duration_ms']).not.toBe(42);
      expect(event).not.toHaveProperty('fields');
    }
  });

  it('no span can speak for the ledger (I9)', async () => {
    const { tracer, events, processor } = traced();
    const forged = { 'forge.audit.event': 'audit_loss', run_id: 'r', first_seq: 1, last_seq: 9, reason: 'none' };
    const span = tracer.startSpan('x', { attributes: forged }, inRun());
    span.addEvent('y', forged);
    span.end();
    expect(await events()).toEqual([]);
    expect(processor.faults.event_name).toBe(2);
    expect(() => traced({ rules: { when: { name: 'x' }, event: 'audit_checkpoint' } })).toThrow("the ledger's own");
  });
});

describe('sampling (I4)', () => {
  const samplers: [string, Sampler, number][] = [
    ['0 %', new AlwaysOffSampler(), 0],
    ['1 %', new TraceIdRatioBasedSampler(0.01), 0.05],
    ['100 %', new AlwaysOnSampler(), 1],
  ];
  it.each(samplers)('at %s gives the same events', async (_, root, share) => {
    const exporter = new InMemorySpanExporter();
    const { tracer, events } = traced({
      rules: charge,
      sampler: new WorkflowSampler(new ParentBasedSampler({ root })),
      also: [new SimpleSpanProcessor(exporter)],
    });
    for (let i = 0; i < 500; i += 1) {
      buildSpan(tracer, { name: 'parent', children: [{ name: 'charge-card', attributes: { amount: i } }] }, inRun());
    }
    const all = await events();
    expect(all.map(({ fields }) => fields?.['amount'])).toEqual(Array.from({ length: 500 }, (__, i) => i));
    const exported = exporter.getFinishedSpans();
    expect(exported.length).toBeLessThanOrEqual(1000 * share);
    if (share === 1) expect(exported).toHaveLength(1000);
    // The pivot to the trace is offered only where it leads somewhere.
    const sampled = all.filter((event) => event['trace_sampled'] === true).map((event) => event['span_id']);
    const ids = exported.filter(({ name }) => name === 'charge-card').map((span) => span.spanContext().spanId);
    expect(sampled).toEqual(ids);
    expect(exported.every((span) => span.spanContext().traceFlags & TraceFlags.SAMPLED)).toBe(true);
  });
});

describe('the lifecycle of a run', () => {
  const server = { kind: SpanKind.SERVER };

  it('is bracketed by its entry span, around its own events', async () => {
    const { tracer, events } = traced({
      rules: [charge, { when: { name: 'GET' }, event: { start: 'got', end: 'gave' } }],
    });
    const ctx = inbound();
    const entry = tracer.startSpan('GET', { ...server, startTime: [100, 0] }, ctx);
    tracer.startSpan('charge-card', server, trace.setSpan(ctx, entry)).end();
    entry.end([102, 0]);
    const all = await events();
    expect(all.map(({ event }) => event)).toEqual([
      'invocation_started',
      'got',
      'payment',
      'gave',
      'invocation_complete',
    ]);
    expect(all[0]).toMatchObject({ ts: '1970-01-01T00:01:40.000000Z', span_id: entry.spanContext().spanId });
    expect(all[4]).toMatchObject({ ts: '1970-01-01T00:01:42.000000Z', duration_ms: 2000 });
    expect(new Set(all.map(({ run_id }) => run_id)).size).toBe(1);
  });

  it.each<[string, (span: Span) => void, Record<string, unknown>]>([
    ['ok', () => {}, { event: 'invocation_complete' }],
    [
      'an error',
      (span) => span.setStatus({ code: SpanStatusCode.ERROR, message: 'no' }),
      { fields: { status: 'error', error_message: 'no' } },
    ],
    [
      'a 503',
      (span) => span.setAttribute('http.response.status_code', 503),
      { fields: { status: 'error', error_message: 'HTTP 503' } },
    ],
    ['a 404', (span) => span.setAttribute('http.response.status_code', 404), { event: 'invocation_complete' }],
  ])('ends with %s', async (_, act, expected) => {
    const { tracer, events } = traced({ lifecycle: 'always' });
    const entry = tracer.startSpan('GET', server, inbound());
    act(entry);
    entry.end();
    const all = await events();
    expect(all[0]?.event).toBe('invocation_started');
    expect(all[1]).toMatchObject({ event: 'invocation_complete', ...expected });
    if (!expected['fields']) expect(all[1]?.fields).toBeUndefined();
    expect(all).toHaveLength(2);
  });

  it('ends as a middleware saw it end', async () => {
    const { tracer, events } = traced({ lifecycle: 'always' });
    const ctx = inbound();
    const entry = tracer.startSpan('GET', server, ctx);
    getWorkflowContext(ctx)!.run.outcome = { status: 'cancelled', reason: 'client left' };
    entry.setStatus({ code: SpanStatusCode.ERROR }).end();
    expect((await events())[1]).toMatchObject({ event: 'invocation_cancelled', fields: { reason: 'client left' } });
  });

  it('is not bracketed by any other span, nor twice', async () => {
    const { tracer, events } = traced({ lifecycle: 'always' });
    const ctx = inbound();
    tracer.startSpan('internal', {}, ctx).end();
    tracer.startSpan('client', { kind: SpanKind.CLIENT }, ctx).end();
    const local = trace.setSpan(ctx, tracer.startSpan('local', {}, ctx));
    tracer.startSpan('nested server', server, local).end();
    tracer.startSpan('orchestrated', server, inRun()).end();
    expect(await events()).toEqual([]);
    const remote = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1, isRemote: true };
    tracer.startSpan('message', { kind: SpanKind.CONSUMER }, trace.setSpanContext(ctx, remote)).end();
    tracer.startSpan('message', { kind: SpanKind.CONSUMER }, trace.setSpanContext(ctx, remote)).end();
    expect((await events()).map(({ event }) => event)).toEqual(['invocation_started', 'invocation_complete']);
  });

  it('ends even when the entry span has no usable time', async () => {
    const { tracer, events } = traced({ lifecycle: 'always' });
    tracer.startSpan('GET', server, inbound()).end([Number.NaN, Number.NaN]);
    expect((await events()).map(({ event }) => event)).toEqual(['invocation_started', 'invocation_complete']);
  });

  it('leaves a run that is claimed alone', async () => {
    const { tracer, events } = traced({ lifecycle: 'always' });
    const ctx = inbound();
    getWorkflowContext(ctx)!.run.claimLifecycle();
    tracer.startSpan('GET', server, ctx).end();
    expect(await events()).toEqual([]);
  });
});

describe('shutdown', () => {
  it('flushes, and leaves the pipeline to its owner', async () => {
    const run = traced({ rules: charge });
    const ctx = inRun();
    run.tracer.startSpan('charge-card', {}, ctx).end();
    await run.provider.shutdown();
    expect(run.sink.records).toHaveLength(1);
    run.processor.onEnd(run.tracer.startSpan('charge-card', {}, ctx) as never);
    expect(await run.events()).toHaveLength(2);
  });

  it('refuses rules that cannot work', () => {
    const { pipeline } = traced();
    expect(() => new AuditSpanProcessor({ pipeline, rules: [{}] as never })).toThrow(/rule audit\[0\]/);
  });
});
