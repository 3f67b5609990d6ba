import { setImmediate } from 'node:timers/promises';
import { DiagLogLevel, diag, metrics } from '@opentelemetry/api';
import type { Attributes, Span } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { readTranscript } from '@spanledger/protocol';
import { assertLedger } from '@spanledger/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { AuditSpanExporter, audit, createAuditPipeline, genai, memorySink, registerPipeline } from '../src/index.ts';
import { asExporter, inRun, traced } from './span-fixture.ts';
import { eventually, gateSink, newScope, sha256 } from './support.ts';
import {
  CHAT,
  INPUT,
  MESSAGES,
  OUTPUT,
  call,
  contentsOf,
  ledgerText,
  recordsOf,
  references,
  withTranscripts,
} from './transcript-fixture.ts';

describe('the content of a GenAI span', () => {
  it('is stored as transcripts, and the event of the span has their digests and nothing of it', async () => {
    const subject = withTranscripts();
    const event = await call(subject, { ...MESSAGES, 'gen_ai.conversation.id': 'conv' });
    expect(references(event)).toEqual(
      ['input', 'output'].map((kind) => ({
        kind,
        seq: '0',
        chunks: 1,
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
      })),
    );
    const key = {
      producer: 'test-agent',
      taskId: event.run_id,
      sessionId: 'conv',
      requestId: event['span_id'],
      seq: 0n,
    };
    expect(recordsOf(subject, event)).toEqual([
      { ...key, kind: 'input', content: INPUT, ts: expect.any(String) },
      { ...key, kind: 'output', content: OUTPUT, ts: expect.any(String) },
    ]);
    expect(ledgerText(subject)).not.toContain('Ann');
    expect(subject.pipeline.health().transcripts).toMatchObject({ stored: 2, bytes: 0 });
  });

  it('can be erased, and the ledger verifies', async () => {
    const subject = withTranscripts();
    const event = await call(subject, MESSAGES);
    (subject.sink.transcripts as unknown[]).length = 0;
    assertLedger(subject.sink.records);
    expect(readTranscript([], references(event)[0]!.digest, sha256)).toEqual({ status: 'absent' });
  });

  it('is known by the task and the request of the client, if a rule tells them, and numbered in it', async () => {
    const details = () => ({ taskId: 'task', clientRequestId: 'req', sessionId: 'conv' });
    const rules = [{ when: { name: 'chat m' }, event: 'llm_call', details }];
    const subject = withTranscripts({ rules });
    const context = inRun();
    for (let i = 0; i < 3; i += 1) subject.tracer.startSpan('chat m', { attributes: MESSAGES }, context).end();
    const events = (await subject.events()).filter(({ event }) => event === 'llm_call');
    const records = events.flatMap((event) => recordsOf(subject, event));
    expect(records.map(({ taskId, sessionId, requestId }) => [taskId, sessionId, requestId])).toEqual(
      records.map(() => ['task', 'conv', 'req']),
    );
    expect(records.map(({ kind, seq }) => `${kind} ${seq}`)).toEqual(
      [0, 1, 2].flatMap((n) => [`input ${n}`, `output ${n}`]),
    );
  });

  it('is known by its run and its span where a rule tells empty texts', async () => {
    const details = () => ({ taskId: '', clientRequestId: '', sessionId: '' });
    const subject = withTranscripts({ rules: [{ when: { name: 'chat m' }, event: 'llm_call', details }] });
    const event = await call(subject, MESSAGES);
    const [record] = recordsOf(subject, event);
    expect(record).toMatchObject({ taskId: event.run_id, requestId: event['span_id'] });
    expect(record).not.toHaveProperty('sessionId');
  });

  const system = [{ type: 'text', content: 'be kind' }];
  const telling = (name: string, attributes: Attributes) => (span: Span) => span.addEvent(name, attributes);
  it.each<[string, Attributes, ((span: Span) => unknown) | undefined, object]>([
    [
      'system instructions and messages',
      { ...MESSAGES, 'gen_ai.system_instructions': JSON.stringify(system) },
      undefined,
      { input: [{ role: 'system', parts: system }, ...INPUT], output: OUTPUT },
    ],
    [
      'system instructions as a text',
      { 'gen_ai.system_instructions': 'be kind' },
      undefined,
      { input: [{ role: 'system', content: 'be kind' }] },
    ],
    [
      'an event with the details of the operation',
      {},
      telling('gen_ai.client.inference.operation.details', {
        ...MESSAGES,
        'gen_ai.system_instructions': JSON.stringify(system),
      }),
      { input: [{ role: 'system', parts: system }, ...INPUT], output: OUTPUT },
    ],
    [
      'prompt and completion as texts',
      { 'gen_ai.prompt': 'Hi', 'gen_ai.completion': 'Hello' },
      undefined,
      { input: 'Hi', output: 'Hello' },
    ],
    [
      'prompt and completion as messages',
      {
        'gen_ai.prompt': '[{"role":"user","content":"Hi"}]',
        'gen_ai.completion': '[{"role":"assistant","content":"Hello"}]',
      },
      undefined,
      { input: [{ role: 'user', content: 'Hi' }], output: [{ role: 'assistant', content: 'Hello' }] },
    ],
    [
      'an attribute for each member',
      {
        'gen_ai.prompt.1.content': 'Hi',
        'gen_ai.prompt.0.role': 'system',
        'gen_ai.prompt.0.content': 'be kind',
        'gen_ai.prompt.1.role': 'user',
        'gen_ai.prompt.1.__proto__': 'no',
        'gen_ai.completion.0.role': 'assistant',
        'gen_ai.completion.0.tool_calls.0.name': 'find',
        'gen_ai.completion.0.finish_reason': 'tool_calls',
      },
      undefined,
      {
        input: [
          { role: 'system', content: 'be kind' },
          { role: 'user', content: 'Hi' },
        ],
        output: [{ role: 'assistant', 'tool_calls.0.name': 'find', finish_reason: 'tool_calls' }],
      },
    ],
    [
      'events of prompt and completion',
      {},
      (span) =>
        span
          .addEvent('gen_ai.content.prompt', { 'gen_ai.prompt': '[{"role":"user","content":"Hi"}]' })
          .addEvent('gen_ai.content.completion', { 'gen_ai.completion': 'Hello' }),
      { input: [{ role: 'user', content: 'Hi' }], output: 'Hello' },
    ],
    [
      'an event for each message, its members as attributes',
      {},
      (span) =>
        span
          .addEvent('gen_ai.system.message', { 'gen_ai.system': 'openai', content: 'be kind' })
          .addEvent('gen_ai.user.message', { content: '{"Hi":1}' })
          .addEvent('gen_ai.assistant.message', { tool_calls: '[{"id":"c1","type":"function"}]' })
          .addEvent('gen_ai.tool.message', { id: 'c1', content: 'found' })
          .addEvent('gen_ai.choice', { index: 0, finish_reason: 'stop', message: '{"content":"Hello"}' }),
      {
        input: [
          { role: 'system', content: 'be kind' },
          { role: 'user', content: '{"Hi":1}' },
          { role: 'assistant', tool_calls: [{ id: 'c1', type: 'function' }] },
          { role: 'tool', id: 'c1', content: 'found' },
        ],
        output: [{ role: 'assistant', index: 0, finish_reason: 'stop', message: { content: 'Hello' } }],
      },
    ],
    [
      'an event for each message, its body as one attribute',
      {},
      (span) =>
        span
          .addEvent('gen_ai.user.message', {
            'gen_ai.system': 'az',
            'gen_ai.event.content': '{"role":"user","content":"Hi"}',
          })
          .addEvent('gen_ai.choice', { 'gen_ai.event.content': 'no JSON {' }),
      { input: [{ role: 'user', content: 'Hi' }], output: [{ role: 'assistant', content: 'no JSON {' }] },
    ],
    [
      'messages that a limit of the SDK has cut',
      { 'gen_ai.input.messages': '[{"role":"user","parts":[{"ty' },
      undefined,
      { input: '[{"role":"user","parts":[{"ty' },
    ],
    [
      'the current form before the older ones',
      { ...MESSAGES, 'gen_ai.prompt': 'old' },
      undefined,
      { input: INPUT, output: OUTPUT },
    ],
    ['nothing', { 'gen_ai.input.messages': '' }, undefined, {}],
  ])('is found in %s', async (_, attributes, tell, expected) => {
    const subject = withTranscripts();
    expect(contentsOf(subject, await call(subject, attributes, tell))).toEqual(expected);
  });

  it('is kept of spans that a rule of one’s own, or their mark, designates, and of no other', async () => {
    const subject = withTranscripts({ rules: [] });
    const spanOf = (attributes: Attributes): Span => subject.tracer.startSpan('any', { attributes }, inRun());
    spanOf({ ...MESSAGES, 'forge.audit.event': 'agent_called' }).end();
    spanOf(MESSAGES).end();
    const [called, ...others] = (await subject.events()).filter(({ event }) => event === 'agent_called');
    expect(others).toEqual([]);
    expect(contentsOf(subject, called!)).toEqual({ input: INPUT, output: OUTPUT });
    expect(subject.pipeline.health().transcripts?.stored).toBe(2);
  });

  it('is kept through an exporter as well', async () => {
    const subject = withTranscripts({ rules: [] });
    const { pipeline, sink } = withTranscripts({ rules: [] });
    const exporter = asExporter(new AuditSpanExporter({ pipeline, rules: genai() }));
    const span = subject.tracer.startSpan('chat m', { attributes: { ...CHAT, ...MESSAGES } }, inRun());
    span.end();
    await new Promise((resolve) => exporter.export([span as never], resolve));
    expect(await pipeline.flush()).toBe(true);
    expect(sink.transcripts).toHaveLength(2);
  });
});

describe('off, as it is by default', () => {
  it('nothing of it is stored, and the event is what it was', async () => {
    const subject = traced({ rules: genai(), maxTranscriptBytes: 1_000_000 });
    const event = await call(subject, MESSAGES);
    expect(event.fields).not.toHaveProperty('transcripts');
    expect(subject.sink.transcripts).toEqual([]);
    expect(ledgerText(subject)).not.toContain('Ann');
  });

  it('rules at the level payload record what they did, on or off', async () => {
    const fields = {
      prompt_messages: MESSAGES['gen_ai.input.messages'],
      completion: MESSAGES['gen_ai.output.messages'],
    };
    const rules = genai({ level: 'payload' });
    expect((await call(traced({ rules }), MESSAGES)).fields).toMatchObject(fields);
    expect((await call(withTranscripts({ rules }), MESSAGES)).fields).toMatchObject(fields);
  });

  it('and it cannot be turned on where the sink takes none, or with what is no option', () => {
    const sink = memorySink();
    const error = expect.objectContaining({ code: 'SPANLEDGER_OPTION' });
    expect(() => createAuditPipeline({ producer: 'p', sink, transcripts: true })).toThrow(error);
    const taking = memorySink({ maxTranscriptBytes: 1 });
    for (const transcripts of ['on', 1, null, { contentMax: 0 }, { contentMax: 2 ** 40 }, { contentMax: '9' }]) {
      expect(() =>
        createAuditPipeline({ producer: 'p', sink: taking, transcripts: transcripts as unknown as true }),
      ).toThrow(error);
    }
  });
});

describe('redaction', () => {
  it('comes first: a policy sees the messages, and secrets are taken out', async () => {
    const secret = ['AKIA', 'QWERTYUIOPASDFG2'].join('');
    const policy = (payload: Record<string, unknown>): Record<string, unknown> => {
      for (const message of (payload['content'] ?? []) as typeof OUTPUT) message.parts[0]!.content = 'gone';
      return payload;
    };
    const said = JSON.stringify([
      {
        role: 'user',
        parts: [
          { type: 'text', content: 'I am Ann' },
          { type: 'text', content: secret },
        ],
      },
    ]);
    const subject = withTranscripts({ pipelineOptions: { redaction: { policy } } });
    const event = await call(subject, { 'gen_ai.input.messages': said });
    const parts = [
      { type: 'text', content: 'gone' },
      { type: 'text', content: '[REDACTED]' },
    ];
    expect(contentsOf(subject, event)).toEqual({ input: [{ role: 'user', parts }] });
    expect(ledgerText(subject)).not.toContain(secret);
  });

  it('that does not keep the structure, or throws, stores nothing of the span, and its event is there', async () => {
    const logged = captureLog();
    const policy = (payload: Record<string, unknown>): Record<string, unknown> => {
      if ('content' in payload) throw new Error('I am Ann');
      return payload;
    };
    const subject = withTranscripts({ pipelineOptions: { redaction: { policy } } });
    for (let i = 0; i < 3; i += 1) expect(references(await call(subject, MESSAGES))).toEqual([]);
    expect(subject.sink.transcripts).toEqual([]);
    expect(subject.pipeline.health().transcripts).toMatchObject({ unsealed: 6, stored: 0 });
    expect(logged.filter((line) => line.includes('transcript'))).toHaveLength(1);
    expect(logged.join()).not.toContain('Ann');
  });

  it('of events does not reach the digests', async () => {
    const policy = (payload: Record<string, unknown>) =>
      'content' in payload ? payload : { ...payload, transcripts: 'mine' };
    const subject = withTranscripts({ pipelineOptions: { redaction: { policy } } });
    expect(contentsOf(subject, await call(subject, MESSAGES))).toEqual({ input: INPUT, output: OUTPUT });
  });
});

it('no event is too large for its digests', async () => {
  const subject = withTranscripts();
  const fields = Object.fromEntries(
    Array.from({ length: 2_000 }, (_, i) => [`${'k'.repeat(100)}${i}`, 'v'.repeat(60)]),
  );
  const content = [{ kind: 'input', content: 'I am Ann' }] as const;
  subject.pipeline.emit(newScope(), { event: 'llm_call', fields, content });
  const [event] = await subject.events();
  expect(JSON.stringify(event)).toContain('truncated');
  expect(contentsOf(subject, event!)).toEqual({ input: 'I am Ann' });
});

describe('what cannot be stored', () => {
  it('because it is too large is not, and counted', async () => {
    const subject = withTranscripts({ pipelineOptions: { transcripts: { contentMax: 2_000 } } });
    const event = await call(subject, {
      'gen_ai.input.messages': 'x'.repeat(2_001),
      'gen_ai.output.messages': 'x'.repeat(2_000),
    });
    expect(references(event).map(({ kind }) => kind)).toEqual(['output']);
    expect(subject.pipeline.health().transcripts).toMatchObject({ unsealed: 1, stored: 1 });
  });

  it('because the sink refuses it is told once, and counted; events go on', async () => {
    const logged = captureLog();
    const subject = withTranscripts({ maxTranscriptBytes: 1 });
    for (let i = 0; i < 2; i += 1) expect(references(await call(subject, MESSAGES))).toHaveLength(2);
    expect(subject.pipeline.health().transcripts).toMatchObject({ refused: 4, stored: 0, bytes: 0 });
    expect(logged.filter((line) => line.includes('transcript'))).toHaveLength(1);
  });

  it('because there is no room is not, however long the sink stands still, and the hook never waits', async () => {
    const stands = memorySink({ maxTranscriptBytes: 1 });
    let release = (): void => {};
    const standing = new Promise<void>((resolve) => (release = resolve));
    const given: number[] = [];
    const sink = {
      ...stands,
      writeTranscript: async ({ size }: { size: number }) => {
        given.push(size);
        await standing;
        return { status: 'stored' } as const;
      },
    };
    const subject = withTranscripts({ pipelineOptions: { sink, transcripts: { contentMax: 4_000_000 } } });
    const said = 'x'.repeat(4_000_000);
    for (let i = 0; i < 20; i += 1) {
      const attributes = { ...CHAT, 'gen_ai.input.messages': said };
      subject.tracer.startSpan('chat m', { attributes }, inRun()).end();
    }
    // Nothing has been given to the sink yet: the hook only takes room.
    expect(given).toEqual([]);
    const before = subject.pipeline.health().transcripts!;
    expect(before.shed).toBe(4);
    expect(before.bytes).toBeLessThanOrEqual(64 * 1024 * 1024);
    await eventually(() => expect(given).toHaveLength(16));
    release();
    expect(await subject.pipeline.flush()).toBe(true);
    expect(subject.pipeline.health().transcripts).toMatchObject({ stored: 16, shed: 4, bytes: 0 });
  });

  it('because its event is lost is not', async () => {
    const gate = gateSink();
    const sink = { ...memorySink({ maxTranscriptBytes: 1_000_000 }), writeEvent: gate.writeEvent.bind(gate) };
    const pipelineOptions = { sink, queueMaxBytes: 16 * 32_768, eventMaxBytes: 32_768 };
    const subject = withTranscripts({ pipelineOptions });
    const context = inRun();
    for (let i = 0; i < 2_000; i += 1) {
      subject.tracer.startSpan('chat m', { attributes: { ...CHAT, ...MESSAGES } }, context).end();
    }
    const { shed } = subject.pipeline.health().transcripts!;
    expect(shed).toBe(2 * subject.pipeline.health().losses.events);
    expect(shed).toBeGreaterThan(0);
    gate.open();
    await subject.pipeline.shutdown(5_000);
  });

  it('is counted once, also where it could not be sealed and its event is lost', async () => {
    captureLog();
    const gate = gateSink();
    const sink = { ...memorySink({ maxTranscriptBytes: 1_000_000 }), writeEvent: gate.writeEvent.bind(gate) };
    const policy = (payload: Record<string, unknown>): Record<string, unknown> => {
      if (payload['kind'] === 'output') throw new Error('not this one');
      return payload;
    };
    const limits = { queueMaxBytes: 16 * 32_768, eventMaxBytes: 32_768 };
    const subject = withTranscripts({ pipelineOptions: { sink, redaction: { policy }, ...limits } });
    const context = inRun();
    for (let i = 0; i < 2_000; i += 1) {
      subject.tracer.startSpan('chat m', { attributes: { ...CHAT, ...MESSAGES } }, context).end();
    }
    const { losses } = subject.pipeline.health();
    gate.open();
    expect(await subject.pipeline.flush()).toBe(true);
    const { stored, shed, unsealed } = subject.pipeline.health().transcripts!;
    expect(losses.events).toBeGreaterThan(0);
    expect({ stored, shed, unsealed }).toEqual({
      stored: 2_000 - losses.events,
      shed: 2 * losses.events,
      unsealed: 2_000 - losses.events,
    });
    await subject.pipeline.shutdown(5_000);
  });

  it('yet is waited for before a shutdown closes the sink', async () => {
    const order: string[] = [];
    const sink = {
      ...memorySink({ maxTranscriptBytes: 1 }),
      writeTranscript: async () => {
        for (let turn = 0; turn < 50; turn += 1) await setImmediate();
        order.push('stored');
        return { status: 'stored' } as const;
      },
      close: async () => void order.push('closed'),
    };
    const subject = withTranscripts({ pipelineOptions: { sink } });
    subject.tracer.startSpan('chat m', { attributes: { ...CHAT, ...MESSAGES } }, inRun()).end();
    await subject.pipeline.shutdown(60_000);
    expect(order).toEqual(['stored', 'stored', 'closed']);
  });

  it('is in metrics by its outcome', async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1e9 });
    const provider = new MeterProvider({ readers: [reader] });
    metrics.setGlobalMeterProvider(provider);
    const subject = withTranscripts({ pipelineOptions: { transcripts: { contentMax: 2_000 } } });
    await call(subject, MESSAGES);
    await call(subject, { 'gen_ai.prompt': 'x'.repeat(2_001) });
    await reader.forceFlush();
    const all = exporter
      .getMetrics()
      .at(-1)!
      .scopeMetrics.flatMap((scope) => scope.metrics);
    const found = all.filter(({ descriptor }) => descriptor.name.startsWith('spanledger.transcripts'));
    const values = found.flatMap(({ descriptor, dataPoints }) =>
      dataPoints.map(({ attributes, value }) => [descriptor.name, descriptor.unit, attributes['outcome'], value]),
    );
    expect(values).toEqual([
      ...Object.entries({ stored: 2, refused: 0, failed: 0, shed: 0, unsealed: 1 }).map(([outcome, value]) => [
        'spanledger.transcripts',
        '{transcript}',
        outcome,
        value,
      ]),
      ['spanledger.transcripts.bytes', 'By', undefined, 0],
    ]);
    await subject.pipeline.shutdown();
    metrics.disable();
    await provider.shutdown();
  });

  it('by hand is counted with the others', async () => {
    const subject = withTranscripts();
    const unregister = registerPipeline(subject.pipeline);
    await audit.writeTranscript({ kind: 'input', taskId: 't', content: 'x' });
    unregister();
    expect(subject.pipeline.health().transcripts).toMatchObject({ stored: 1 });
  });
});

afterEach(() => diag.disable());

function captureLog(): string[] {
  const lines: string[] = [];
  const log = (...parts: unknown[]): void => void lines.push(parts.map(String).join(' '));
  const logger = { error: log, warn: log, info: log, debug: log, verbose: log };
  diag.setLogger(logger, { logLevel: DiagLogLevel.ALL, suppressOverrideMessage: true });
  return lines;
}
