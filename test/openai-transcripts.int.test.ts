import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { connectNats, readTranscripts } from '@spanledger/jetstream';
import { readTranscript } from '@spanledger/protocol';
import type { AuditEvent } from '@spanledger/protocol';
import { startNats } from '@spanledger/testkit';
import { expect, it, onTestFinished } from 'vitest';
import { App } from './support/app.ts';
import { readLedger } from './support/ledger.ts';
import { OpenAiServer } from './support/openai-server.ts';

const SECRET = ['AKIA', 'QWERTYUIOPASDFG3'].join('');
const API_KEY = ['sk', 'proj', 'QwErTyUiOpAsDfGhJkLz0123456789'].join('-');
const QUESTION = 'May Rosalind sell the ferryboat?';
const ANSWER = 'Rosalind may until Michaelmas';
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const TRACELOOP = { app: 'asks-openai.cjs', load: 'spanledger-openai.mjs' };
const OPENTELEMETRY = { app: 'asks-openai.cjs', load: 'spanledger-openai-logs.mjs' };
const RESPONSES = { app: 'asks-openai-responses.cjs', load: 'spanledger-openai-logs.mjs' };

const text = (content: string) => [{ type: 'text', content }];
const ROLE = 'You are an accountant';
const CALL = {
  event: 'llm_call',
  model: 'gpt-4o-2024-08-06',
  provider: 'openai',
  fields: { transcripts: [{ kind: 'input' }, { kind: 'output' }] },
};
/** The events of a whole answer, and of one that comes in pieces: of the latter, libraries leave out the tokens of a chat. */
const [WHOLE, IN_PIECES] = [
  { ...CALL, input_tokens: 21, output_tokens: 4 },
  { ...CALL, tokens_unavailable: true },
];

interface Asking {
  readonly app: string;
  readonly load: string;
}

/** Runs an application that calls a model twice. @returns the two events, that of the whole answer first, and all that was stored. */
async function ask(
  servers: string,
  { app: script, load }: Asking,
  storesContent: boolean,
): Promise<{ calls: AuditEvent[]; everything: string }> {
  const journal = mkdtempSync(path.join(tmpdir(), 'spanledger-openai-'));
  onTestFinished(() => rmSync(journal, { recursive: true, force: true }));
  await using openai = await OpenAiServer.start(ANSWER);
  const env = {
    ...openai.env(API_KEY),
    OTEL_SERVICE_NAME: 'asker',
    SPANLEDGER_NATS_URL: servers,
    STORES_CONTENT: String(storesContent),
    ASKS: `${QUESTION} ${SECRET}`,
  };
  await using app = new App(script, { load, env, journal });
  expect([await app.ended(), app.stdout, app.stderr]).toEqual([0, `${ANSWER}\n${ANSWER}\n`, '']);
  // What is kept of a question is redacted; the question is not.
  expect(openai.questions).toEqual([env.ASKS, env.ASKS]);
  const { events } = await readLedger(servers);
  const calls = events.filter(({ event }) => event.startsWith('llm_call'));
  const everything = [await storedIn(servers), bytesIn(journal), app.stderr].join('\n');
  return { calls: calls.sort((a, b) => (b.input_tokens ?? 0) - (a.input_tokens ?? 0)), everything };
}

it.each([
  {
    of: 'a library that puts it on spans',
    asking: TRACELOOP,
    events: [WHOLE, IN_PIECES],
    input: [
      { role: 'system', parts: text(ROLE) },
      { role: 'user', parts: text(`${QUESTION} [REDACTED]`) },
    ],
    output: [{ role: 'assistant', finish_reason: 'stop', parts: text(ANSWER) }],
  },
  {
    of: 'a library that logs each message',
    asking: OPENTELEMETRY,
    events: [WHOLE, IN_PIECES],
    input: [
      { role: 'system', content: ROLE },
      { role: 'user', content: `${QUESTION} [REDACTED]` },
    ],
    output: [{ role: 'assistant', index: 0, finish_reason: 'stop', message: { content: ANSWER } }],
  },
  {
    of: 'a library that logs the details of the operation',
    asking: RESPONSES,
    events: [WHOLE, WHOLE],
    // The library says the instructions twice.
    input: [
      { role: 'system', content: ROLE },
      { role: 'system', parts: text(ROLE) },
      { role: 'user', parts: text(`${QUESTION} [REDACTED]`) },
    ],
    output: [{ role: 'assistant', finish_reason: 'stop', parts: text(ANSWER) }],
  },
])(
  "what OpenAI's client is told and answers, traced by $of, is stored without its secrets",
  async ({ asking, events, input, output }) => {
    await using nats = await startNats();
    const { calls, everything } = await ask(nats.url, asking, true);
    expect(calls).toMatchObject(events);
    expect(await contentsOf(nats.url, calls)).toEqual([input, output, input, output]);
    expect(everything).toContain(ANSWER);
    expect([SECRET, API_KEY].filter((secret) => everything.includes(secret))).toEqual([]);
  },
);

it.each([TRACELOOP, OPENTELEMETRY, RESPONSES])(
  'nothing of it is anywhere while transcripts are off: $app with $load',
  async (asking) => {
    await using nats = await startNats();
    const { calls, everything } = await ask(nats.url, asking, false);
    expect(calls).toHaveLength(2);
    expect(calls.filter(({ fields }) => fields !== undefined && 'transcripts' in fields)).toEqual([]);
    expect(everything).toContain('gpt-4o');
    // Long words: by chance, there are none of them in an id.
    const content = ['accountant', 'Rosalind', 'ferryboat', 'Michaelmas', SECRET, API_KEY];
    expect(content.filter((word) => everything.includes(word))).toEqual([]);
  },
);

/** What was said in these calls, read by the digests of their events. */
async function contentsOf(servers: string, calls: readonly AuditEvent[]): Promise<unknown[]> {
  const connection = await connectNats({ servers });
  const contents: unknown[] = [];
  for (const { task_id, run_id, client_request_id, span_id, fields } of calls) {
    const chunks: Uint8Array[] = [];
    const filter = { producer: 'asker', taskId: task_id ?? run_id, requestId: client_request_id ?? span_id! };
    for await (const { bytes } of readTranscripts(connection, filter)) chunks.push(bytes);
    for (const { digest } of fields!['transcripts'] as unknown as { digest: string }[]) {
      const reading = readTranscript(chunks, digest, sha256);
      contents.push(reading.status === 'ok' ? reading.record.content : reading);
    }
  }
  await connection.close();
  return contents;
}

/** Every message of every stream of a server, with its subject and headers. */
async function storedIn(servers: string): Promise<string> {
  const connection = await connect({ servers });
  const texts: string[] = [];
  const manager = await jetstreamManager(connection, { timeout: 30_000 });
  for await (const { config, state } of manager.streams.list()) {
    if (state.messages === 0) continue;
    const consumer = await jetstream(connection).consumers.get(config.name);
    for await (const message of await consumer.consume()) {
      const headers = [...(message.headers ?? [])].flat(2).join(' ');
      texts.push(message.subject, headers, Buffer.from(message.data).toString());
      if (message.info.pending === 0) break;
    }
  }
  await connection.close();
  return texts.join('\n');
}

function bytesIn(folder: string): string {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files.map((file) => readFileSync(path.join(file.parentPath, file.name), 'latin1')).join('\n');
}
