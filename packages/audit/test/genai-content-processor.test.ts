import v8 from 'node:v8';
import vm from 'node:vm';
import { ROOT_CONTEXT, context, trace } from '@opentelemetry/api';
import type { Context, Span } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { LoggerProvider } from '@opentelemetry/sdk-logs';
import type { LogRecordProcessor } from '@opentelemetry/sdk-logs';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AuditSpanExporter, GenAiContentProcessor, genai } from '../src/index.ts';
import { asExporter, inRun, traced } from './span-fixture.ts';
import type { TestEvent, Traced, TracedOptions } from './span-fixture.ts';
import { eventually } from './support.ts';
import { CHAT, INPUT, MESSAGES, OUTPUT, contentsOf, withTranscripts } from './transcript-fixture.ts';

const DETAILS = 'gen_ai.client.inference.operation.details';
const QUESTION = { eventName: 'gen_ai.user.message', body: { content: 'I am Ann' } };
const ANSWER = { eventName: 'gen_ai.choice', body: { index: 0, finish_reason: 'stop', message: { content: 'Hello' } } };
const SAID = {
  input: [{ role: 'user', content: 'I am Ann' }],
  output: [{ role: 'assistant', index: 0, finish_reason: 'stop', message: { content: 'Hello' } }],
};

interface LogRecord {
  readonly eventName?: string;
  readonly attributes?: Record<string, unknown>;
  readonly body?: unknown;
}

interface Logging {
  readonly processor: GenAiContentProcessor;
  readonly provider: LoggerProvider;
  emit(record: LogRecord, ctx: Context): void;
}

/** A real logger provider with our processor, as an instrumentation has one. */
function logging({ pipeline }: Traced, after: LogRecordProcessor[] = []): Logging {
  const processor = new GenAiContentProcessor({ pipeline });
  const processors: LogRecordProcessor[] = [processor, ...after];
  const provider = new LoggerProvider({ processors });
  const logger = provider.getLogger('instrumentation');
  return { processor, provider, emit: (record, ctx) => logger.emit({ ...(record as object), context: ctx }) };
}

function startCall({ tracer }: Traced, attributes = {}): { span: Span; ctx: Context } {
  const span = tracer.startSpan('chat m', { attributes: { ...CHAT, ...attributes } }, inRun());
  return { span, ctx: trace.setSpan(ROOT_CONTEXT, span) };
}

async function endedCall(subject: Traced, span: Span): Promise<TestEvent> {
  span.end();
  return (await subject.events()).findLast(({ event }) => event === 'llm_call')!;
}

/** What is stored of a call with these records. */
async function contentsLogged(
  records: readonly LogRecord[],
  attributes = {},
  tell: (span: Span) => unknown = () => {},
  options: TracedOptions = {},
): Promise<unknown> {
  const subject = withTranscripts(options);
  const { emit } = logging(subject);
  const { span, ctx } = startCall(subject, attributes);
  for (const record of records) emit(record, ctx);
  tell(span);
  return contentsOf(subject, await endedCall(subject, span));
}

/** A body that tells whether it was read. */
function watchedBody(): { body: object; reads: () => number } {
  let reads = 0;
  const body = Object.defineProperty({}, 'content', { enumerable: true, get: () => `read ${(reads += 1)} times` });
  return { body, reads: () => reads };
}

describe('content in log records', () => {
  const system = [{ type: 'text', content: 'be kind' }];
  const detailed = (attributes: object): LogRecord => ({ eventName: DETAILS, attributes: { ...attributes } });
  it.each<[string, LogRecord[], unknown]>([
    [
      'one for each message',
      [
        { eventName: 'gen_ai.system.message', body: { content: 'be kind' } },
        QUESTION,
        { eventName: 'gen_ai.assistant.message', body: { tool_calls: [{ id: 'c1', type: 'function' }] } },
        { eventName: 'gen_ai.tool.message', body: { id: 'c1', content: 'found' } },
        ANSWER,
        { ...ANSWER, body: { ...ANSWER.body, index: 1 } },
      ],
      {
        input: [
          { role: 'system', content: 'be kind' },
          ...SAID.input,
          { role: 'assistant', tool_calls: [{ id: 'c1', type: 'function' }] },
          { role: 'tool', id: 'c1', content: 'found' },
        ],
        output: [SAID.output[0], { ...SAID.output[0], index: 1 }],
      },
    ],
    [
      'named by an attribute',
      [QUESTION, ANSWER].map(({ eventName, body }) => ({
        attributes: { 'event.name': eventName, 'gen_ai.system': 'openai' },
        body,
      })),
      SAID,
    ],
    [
      'the body a text, or JSON of a message',
      [
        { ...QUESTION, body: 'I am Ann' },
        { ...ANSWER, body: '{"role":"assistant","content":"Hello"}' },
      ],
      { input: SAID.input, output: [{ role: 'assistant', content: 'Hello' }] },
    ],
    [
      'no body, and its members as attributes',
      [{ attributes: { 'event.name': QUESTION.eventName, content: 'I am Ann' } }],
      { input: SAID.input },
    ],
    ['details, as JSON', [detailed(MESSAGES)], { input: INPUT, output: OUTPUT }],
    [
      'details, as they are, one after the other',
      [
        detailed({ 'gen_ai.input.messages': INPUT, 'gen_ai.system_instructions': system }),
        detailed({ 'gen_ai.output.messages': OUTPUT }),
        detailed({ 'gen_ai.output.messages': OUTPUT }),
      ],
      { input: [{ role: 'system', parts: system }, ...INPUT], output: [...OUTPUT, ...OUTPUT] },
    ],
    ['details before messages', [QUESTION, detailed(MESSAGES), ANSWER], { input: INPUT, output: OUTPUT }],
    ['details without any', [detailed({ 'gen_ai.provider.name': 'openai' })], {}],
    ['others', [{ eventName: 'gen_ai.evaluation.result', body: { content: 'good' } }, { body: 'a line' }], {}],
  ])('is found: %s', async (_, records, expected) => {
    expect(await contentsLogged(records)).toEqual(expected);
  });

  it('comes after that of the span, of each kind', async () => {
    const output = { 'gen_ai.output.messages': MESSAGES['gen_ai.output.messages'] };
    expect(await contentsLogged([QUESTION, ANSWER], output)).toEqual({ input: SAID.input, output: OUTPUT });
    const tell = (span: Span) => span.addEvent('gen_ai.user.message', { content: 'I am Bob' });
    const input = [{ role: 'user', content: 'I am Bob' }];
    expect(await contentsLogged([QUESTION, ANSWER], {}, tell)).toEqual({ input, output: SAID.output });
  });

  it('is redacted before it is sealed', async () => {
    const secret = ['AKIA', 'QWERTYUIOPASDFG2'].join('');
    const policy = (payload: Record<string, unknown>) =>
      JSON.parse(JSON.stringify(payload).replaceAll('Ann', 'A.')) as Record<string, unknown>;
    const records = [{ ...QUESTION, body: { content: `I am Ann: ${secret}` } }];
    const stored = await contentsLogged(records, {}, () => {}, { pipelineOptions: { redaction: { policy } } });
    expect(stored).toEqual({ input: [{ role: 'user', content: 'I am A.: [REDACTED]' }] });
  });

  it('is copied when the record is made: nobody changes it afterwards', async () => {
    const subject = withTranscripts();
    const changing: LogRecordProcessor = {
      onEmit: (record) => void record.setBody({ content: 'changed' }),
      forceFlush: async () => {},
      shutdown: async () => {},
    };
    const { emit } = logging(subject, [changing]);
    const { span, ctx } = startCall(subject);
    const [parts, body] = [[{ text: 'Hi' }], { content: [] as unknown[] }];
    body.content = parts;
    emit({ ...QUESTION, body }, ctx);
    parts[0]!.text = 'changed';
    parts.push({ text: 'more' });
    const stored = contentsOf(subject, await endedCall(subject, span));
    expect(stored).toEqual({ input: [{ role: 'user', content: [{ text: 'Hi' }] }] });
  });

  it('belongs to the span of its context: of the one that is given, else of the active one', async () => {
    const manager = new AsyncLocalStorageContextManager().enable();
    context.setGlobalContextManager(manager);
    onTestFinished(() => context.disable());
    const subject = withTranscripts();
    const { emit, provider } = logging(subject);
    const [ann, bob] = [startCall(subject), startCall(subject)];
    context.with(bob.ctx, () => {
      emit(QUESTION, ann.ctx);
      provider.getLogger('any').emit({ ...QUESTION, body: { content: 'I am Bob' } });
    });
    const ofAnn = await endedCall(subject, ann.span);
    const ofBob = await endedCall(subject, bob.span);
    expect(contentsOf(subject, ofAnn)).toEqual({ input: SAID.input });
    expect(contentsOf(subject, ofBob)).toEqual({ input: [{ role: 'user', content: 'I am Bob' }] });
  });

  it('is read through an exporter as well', async () => {
    const subject = traced();
    const { pipeline, sink } = withTranscripts({ rules: [] });
    const exporter = asExporter(new AuditSpanExporter({ pipeline, rules: genai() }));
    const { emit } = logging({ ...subject, pipeline });
    const { span, ctx } = startCall(subject);
    emit(QUESTION, ctx);
    span.end();
    await new Promise((resolve) => exporter.export([span as never], resolve));
    expect(await pipeline.flush()).toBe(true);
    expect(sink.transcripts).toHaveLength(1);
  });
});

describe('what is not kept', () => {
  const ofCall = (subject: Traced): Context => startCall(subject).ctx;
  const afterItsEnd = (subject: Traced): Context => {
    const { span, ctx } = startCall(subject);
    span.end();
    return ctx;
  };
  const ofAnother = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1, isRemote: true };
  it.each([
    { when: 'transcripts are off', contextOf: ofCall, transcripts: false },
    { when: 'it is outside of a span', contextOf: () => ROOT_CONTEXT },
    { when: 'its span is not recorded', contextOf: () => trace.setSpanContext(ROOT_CONTEXT, ofAnother) },
    { when: 'its span has ended', contextOf: afterItsEnd },
    { when: 'it is another event', contextOf: ofCall, eventName: 'session.start' },
  ])(
    'is not even read, where $when, and its logger is told so',
    ({ contextOf, transcripts = true, eventName = QUESTION.eventName }) => {
      const subject = withTranscripts({ pipelineOptions: { transcripts } });
      const { processor, provider } = logging(subject);
      const { body, reads } = watchedBody();
      const ctx = contextOf(subject);
      processor.onEmit({ eventName, attributes: {}, body }, ctx);
      expect(reads()).toBe(0);
      expect(provider.getLogger('any').enabled({ context: ctx, eventName })).toBe(false);
    },
  );

  it('is not refused to a logger that may have content', () => {
    const subject = withTranscripts();
    const logger = logging(subject).provider.getLogger('any');
    const { ctx } = startCall(subject);
    expect(
      [{}, QUESTION, { eventName: DETAILS }].map(({ eventName }: LogRecord) =>
        logger.enabled({ context: ctx, ...(eventName && { eventName }) }),
      ),
    ).toEqual([true, true, true]);
  });

  it('because it is too large is not read further, and counted; the other kind is kept', async () => {
    const subject = withTranscripts({ pipelineOptions: { transcripts: { contentMax: 2_000 } } });
    const { emit } = logging(subject);
    const { span, ctx } = startCall(subject);
    for (let i = 0; i < 3; i += 1) emit({ ...QUESTION, body: { content: 'x'.repeat(900) } }, ctx);
    const { body, reads } = watchedBody();
    emit({ ...QUESTION, body }, ctx);
    emit(ANSWER, ctx);
    expect(reads()).toBe(0);
    expect(contentsOf(subject, await endedCall(subject, span))).toEqual({ output: SAID.output });
    expect(subject.pipeline.health().transcripts).toMatchObject({ unsealed: 1, stored: 1 });
  });

  it('because there are too many records is counted, though they say nothing', async () => {
    const subject = withTranscripts({ pipelineOptions: { transcripts: { contentMax: 2_000 } } });
    const { emit } = logging(subject);
    const { span, ctx } = startCall(subject);
    for (let i = 0; i < 200; i += 1) emit({ eventName: QUESTION.eventName }, ctx);
    expect(contentsOf(subject, await endedCall(subject, span))).toEqual({});
    expect(subject.pipeline.health().transcripts).toMatchObject({ unsealed: 1, stored: 0 });
  });

  it('because it cannot be read is counted, and whoever logs it is not told', async () => {
    const subject = withTranscripts();
    const { emit, processor } = logging(subject);
    const { span, ctx } = startCall(subject);
    const body: Record<string, unknown> = { content: 'I am Ann' };
    body['self'] = body;
    emit({ ...QUESTION, body }, ctx);
    emit(ANSWER, ctx);
    const record = {
      get attributes(): never {
        throw new Error('not this one');
      },
    };
    processor.onEmit(record, ctx);
    expect(processor.faults.log_record).toBe(1);
    expect(contentsOf(subject, await endedCall(subject, span))).toEqual({ output: SAID.output });
    expect(subject.pipeline.health().transcripts).toMatchObject({ unsealed: 1, stored: 1 });
  });

  it('longer than its span, if that is no audit event', async () => {
    v8.setFlagsFromString('--expose-gc');
    const collectGarbage = vm.runInNewContext('gc') as () => void;
    const subject = withTranscripts({ rules: [] });
    const { emit } = logging(subject);
    // In a function of its own: what is on the stack is not garbage.
    const endedSpan = (): WeakRef<Span> => {
      const { span, ctx } = startCall(subject);
      emit(QUESTION, ctx);
      span.end();
      return new WeakRef(span);
    };
    const spans = Array.from({ length: 10 }, endedSpan);
    await eventually(() => {
      collectGarbage();
      expect(spans.filter((span) => span.deref() !== undefined)).toEqual([]);
    });
  });
});
