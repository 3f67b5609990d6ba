import { readFileSync, readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DiagLogLevel, ROOT_CONTEXT, SpanStatusCode, diag } from '@opentelemetry/api';
import type { Tracer } from '@opentelemetry/api';
import { node } from '@opentelemetry/sdk-node';
import { AuditSpanProcessor, audit, createAuditPipeline, openJournal, registerPipeline } from '@spanledger/audit';
import type { DesignationRules } from '@spanledger/audit';
import { connectNats, ensureStream, jetStreamSink } from '@spanledger/jetstream';
import { WorkflowSpanProcessor, extractWorkflow } from '@spanledger/otel';
import { type NatsServer, startNats } from '@spanledger/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type PlantedSecret, plantedSecrets } from '../packages/audit/test/redaction-support.ts';
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
    audit.guard({ event: 'action', fields: { note: text } }, () => Promise.reject(new Error(text))).catch(() => {}),
  'name of an event': (tracer, { text }) => startSpan(tracer, { 'forge.audit.event': text }).end(),
  'error of a rule': (tracer, { text }) =>
    tracer.startSpan('faulty', { attributes: { note: text } }, ROOT_CONTEXT).end(),
};

it('500 secrets of all shapes are neither in the journal, nor in the stream, nor in our log', async () => {
  const logged = captureLog();
  const secrets = plantedSecrets(500);
  const [ofResource, ...planted] = secrets as [PlantedSecret, ...PlantedSecret[]];
  const connection = await connectNats({ servers: nats.url });
  await ensureStream(connection);
  const pipeline = createAuditPipeline({
    producer: 'careless',
    agentVersion: ofResource.secret,
    sink: jetStreamSink({ connection }),
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
    log: leaked(secrets, logged.join('\n')),
  };
  expect(found).toEqual({ journal: [], stream: [], log: [] });
  expect(stream.match(/\[REDACTED\]/g)!.length).toBeGreaterThanOrEqual(400);
});

function startSpan(tracer: Tracer, attributes: Record<string, string | string[]> = {}) {
  return tracer.startSpan('careless', { attributes }, extractWorkflow({}, undefined, ROOT_CONTEXT));
}

function captureLog(): string[] {
  const lines: string[] = [];
  const log = (...parts: unknown[]): void => {
    lines.push(
      parts.map((part) => (part instanceof Error ? `${part.stack} ${String(part.cause)}` : String(part))).join(' '),
    );
  };
  diag.setLogger(
    { error: log, warn: log, info: log, debug: log, verbose: log },
    { logLevel: DiagLogLevel.ALL, suppressOverrideMessage: true },
  );
  return lines;
}

function bytesIn(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((file) => readFileSync(path.join(file.parentPath, file.name), 'latin1')).join('\n');
}

/** The shapes of those that can be read, in whole or in as much of them as is of use; as JSON writes them. */
function leaked(secrets: readonly PlantedSecret[], text: string): string[] {
  return secrets
    .filter(({ secret }) => text.includes(secret.slice(0, 20)) || text.includes(secret.slice(-12)))
    .map(({ shape }) => shape);
}
