import { readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ROOT_CONTEXT, SpanStatusCode, diag, trace } from '@opentelemetry/api';
import type { Attributes, Span, Tracer } from '@opentelemetry/api';
import { node } from '@opentelemetry/sdk-node';
import {
  AuditSpanProcessor,
  GenAiContentProcessor,
  audit,
  createAuditPipeline,
  openJournal,
  registerPipeline,
} from '@spanledger/audit';
import { createEventBus } from '@spanledger/audit/bus';
import type { DesignationRules } from '@spanledger/audit';
import {
  connectNats,
  ensureStream,
  ensureTranscriptStream,
  jetStreamSink,
  readTranscripts,
} from '@spanledger/jetstream';
import { WorkflowSpanProcessor, extractWorkflow } from '@spanledger/otel';
import { workflowOf } from '@spanledger/otel/internal';
import type { AuditSink, WriteOutcome } from '@spanledger/protocol';
import { type NatsServer, startNats } from '@spanledger/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PlantedSecret, plantedSecrets } from '../packages/audit/test/redaction-support.ts';
import { captureLog, leaked } from './support/captured-log.ts';
import { readLedger } from './support/ledger.ts';

/** Records whatever there is. */
const RULES: DesignationRules = [
  (span) => {
    if (span.name === 'faulty') throw new Error(String(span.attributes['note']));
    return { event: 'careless', level: 'payload', fields: { ...span.attributes } };
  },
];

let nats: NatsServer;
let journal: string;
beforeAll(async () => {
  nats = await startNats();
  journal = await mkdtemp(path.join(tmpdir(), 'redaction-'));
});
afterAll(async () => {
  diag.disable();
  await nats?.close();
  await rm(journal, { recursive: true, force: true });
});

/** All spans are in one run, so that one subscription sees them. */
const CONTEXT = extractWorkflow({}, undefined, ROOT_CONTEXT);
const TASK = workflowOf(CONTEXT).run.id;

/** Where an application puts its secrets by mistake. */
const PLACES: Record<string, (tracer: Tracer, secret: PlantedSecret) => unknown> = {
  attribute: (tracer, { text }) => startSpan(tracer, { note: text }).end(),
  'list of an attribute': (tracer, { text }) => startSpan(tracer, { notes: ['plain', text] }).end(),
  'content that is too long': (tracer, { text }) => startSpan(tracer, { note: `${text} ${'x '.repeat(4_000)}` }).end(),
  'content that is cut inside of it': (tracer, { text, secret }) =>
    startSpan(tracer, { note: `${' '.repeat(1024 - text.indexOf(secret) - 20)}${text}` }).end(),
  'id of a model': (tracer, { text }) => startSpan(tracer, { 'gen_ai.response.id': text }).end(),
  'span event': (tracer, { text }) =>
    startSpan(tracer).addEvent('told', { 'forge.audit.event': 'told', note: text }).end(),
  exception: (tracer, { text }) => {
    const span = startSpan(tracer);
    span.recordException({ name: text, message: text, stack: text });
    span.setStatus({ code: SpanStatusCode.ERROR }).end();
  },
  'status message': (tracer, { text }) =>
    startSpan(tracer).setStatus({ code: SpanStatusCode.ERROR, message: text }).end(),
  'error of an action': (_, { text }) =>
    audit
      .guard({ event: 'action', taskId: TASK, fields: { note: text } }, () => Promise.reject(new Error(text)))
      .catch(() => {}),
  'name of an event': (tracer, { text }) => startSpan(tracer, { 'forge.audit.event': text }).end(),
  'error of a rule': (tracer, { text }) => tracer.startSpan('faulty', { attributes: { note: text } }, CONTEXT).end(),
  'input of a model': (tracer, { text }) =>
    startSpan(tracer, { 'gen_ai.input.messages': messages({ type: 'text', content: text }) }).end(),
  'output of a model, in arguments of a tool': (tracer, { text }) =>
    startSpan(tracer, {
      'gen_ai.output.messages': messages({
        type: 'tool_call',
        arguments: { [text]: [{ deep: text }], json: JSON.stringify({ text }) },
      }),
    }).end(),
  'instructions, and a prompt that is no JSON': (tracer, { text }) =>
    startSpan(tracer, { 'gen_ai.system_instructions': text, 'gen_ai.prompt': `[{"cut": "${text}` }).end(),
  'event of a message': (tracer, { text }) =>
    startSpan(tracer).addEvent('gen_ai.user.message', { content: text }).end(),
  'log record of a model': (tracer, { text }) => {
    const span = startSpan(tracer);
    const record = { eventName: 'gen_ai.user.message', attributes: {}, body: { content: text, [text]: [text] } };
    new GenAiContentProcessor().onEmit(record, trace.setSpan(CONTEXT, span));
    span.end();
  },
  'transcript by hand': (_, { text }) =>
    audit.writeTranscript({ kind: 'input', taskId: TASK, content: `Say: ${text}` }),
  'messages by hand': (_, { text }) =>
    audit.writeTranscript({
      kind: 'output',
      taskId: TASK,
      content: [{ role: 'assistant', parts: new Map([[text, new Set([{ deep: text }])]]) }],
    }),
  'id of a transcript': (_, { text }) =>
    audit.writeTranscript({ kind: 'input', taskId: text, content: 'x' }).catch(() => {}),
};

it('500 secrets of all shapes are neither in the journal, nor in a stream, nor on the bus, nor in our log', async () => {
  const logged = captureLog();
  const secrets = plantedSecrets(500);
  const [version, org, workspace, entity] = secrets.map(({ secret }) => secret) as [string, string, string, string];
  const planted = secrets.slice(4);
  const connection = await connectNats({ servers: nats.url });
  await ensureStream(connection);
  await ensureTranscriptStream(connection);
  const bus = createEventBus();
  const heard: string[] = [];
  const subscription = bus.subscribe({ taskId: TASK, buffer: 65_536 });
  const listening = subscription.forEach((item) => heard.push(JSON.stringify(item)));
  const pipeline = createAuditPipeline({
    producer: 'careless',
    agentVersion: version,
    orgId: org,
    workspaceId: workspace,
    entityType: entity,
    sink: jetStreamSink({ connection, transcripts: true }),
    transcripts: true,
    bus,
    journal: openJournal({ producer: 'careless', directory: journal }),
  });
  const unregister = registerPipeline(pipeline);
  const provider = new node.NodeTracerProvider({
    spanProcessors: [new WorkflowSpanProcessor(), new AuditSpanProcessor({ pipeline, rules: RULES })],
  });
  const tracer = provider.getTracer('careless');
  const places = Object.values(PLACES);
  for (const [i, secret] of planted.entries()) await places[i % places.length]!(tracer, secret);
  expect(await pipeline.flush()).toBe(true);
  const kept = bytesIn(journal);
  await pipeline.shutdown();
  bus.close();
  await listening;
  const said = await transcripts(connection);
  unregister();
  await connection.close();

  const { events, records } = await readLedger(nats.url);
  const stream = Buffer.concat(records.map(({ bytes }) => bytes)).toString();
  expect(events.length).toBeGreaterThanOrEqual(400);
  expect(kept).toContain('"careless"');
  expect(logged.join('\n')).toContain('a designation rule threw');
  const found = {
    journal: leaked(secrets, kept),
    stream: leaked(secrets, stream),
    transcripts: leaked(secrets, said),
    bus: leaked(secrets, heard.join('\n')),
    log: leaked(secrets, logged.join('\n')),
  };
  expect(found).toEqual({ journal: [], stream: [], transcripts: [], bus: [], log: [] });
  expect(stream.match(/\[REDACTED\]/g)!.length).toBeGreaterThanOrEqual(400);
  expect(said.match(/\[REDACTED\]/g)!.length).toBeGreaterThanOrEqual(150);
  expect(heard.length).toBeGreaterThanOrEqual(400);
});

it('what a sink answers and throws is in our log without its secrets', async () => {
  const secrets = plantedSecrets(4 * 60);
  const logged = captureLog();
  const [refusing, failing, rejecting, closing] = [0, 1, 2, 3].map((part) => secrets.filter((_, i) => i % 4 === part));
  const error = ({ text }: PlantedSecret): Error => new Error(text, { cause: new Error(`because of ${text}`) });
  for (const [i, one] of refusing!.entries()) {
    let answers: (() => Promise<WriteOutcome>)[] = [
      async () => ({ status: 'refused', error: error(one) }),
      async () => ({ status: 'stored' }),
      async () => ({ status: 'failed', error: error(failing![i]!) }),
      async () => ({ status: 'stored' }),
      () => Promise.reject(error(rejecting![i]!)),
    ];
    const sink: AuditSink = {
      name: 'careless',
      writeEvent: () => answers.shift()?.() ?? Promise.resolve({ status: 'stored' }),
      writeTranscript: async () => ({ status: 'refused', error: error(one) }),
      close: () => Promise.reject(error(closing![i]!)),
    };
    const pipeline = createAuditPipeline({ producer: 'careless', sink, transcripts: true });
    const provider = new node.NodeTracerProvider({
      spanProcessors: [new WorkflowSpanProcessor(), new AuditSpanProcessor({ pipeline, rules: RULES })],
    });
    const tracer = provider.getTracer('careless');
    for (let n = 0; n < 5; n += 1) {
      startSpan(tracer, { 'gen_ai.prompt': 'x' }).end();
      await pipeline.flush();
    }
    answers = [];
    await pipeline.shutdown(2_000);
  }
  for (const line of [
    'refused an event',
    'failed an event',
    'could not be closed',
    'transcript of a span is not stored',
  ]) {
    const found = logged.filter((one) => one.includes(line));
    expect({ line, often: found.length >= 60 }).toEqual({ line, often: true });
  }
  expect(leaked(secrets, logged.join('\n'))).toEqual([]);
  expect(logged.join('\n').match(/\[REDACTED\]/g)!.length).toBeGreaterThanOrEqual(400);
});

function startSpan(tracer: Tracer, attributes: Attributes = {}): Span {
  return tracer.startSpan('careless', { attributes }, CONTEXT);
}

const messages = (part: object): string => JSON.stringify([{ role: 'user', parts: [part] }]);

/** All there is in the stream of transcripts, subjects included. */
async function transcripts(connection: Parameters<typeof readTranscripts>[0]): Promise<string> {
  const texts: string[] = [];
  for await (const { subject, bytes } of readTranscripts(connection, { producer: 'careless' })) {
    texts.push(subject ?? '', Buffer.from(bytes).toString());
  }
  return texts.join('\n');
}

function bytesIn(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((file) => readFileSync(path.join(file.parentPath, file.name), 'latin1')).join('\n');
}
