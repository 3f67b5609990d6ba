import { createHash, randomBytes } from 'node:crypto';
import {
  createChain,
  encodeSubject,
  readTranscript,
  seal,
  sealTranscript,
  transcriptReference,
} from '@spanledger/protocol';
import type { AuditSink, SealedTranscript, TranscriptRecord } from '@spanledger/protocol';
import { assertLedger, startNats } from '@spanledger/testkit';
import type { NatsServer } from '@spanledger/testkit';
import type { NatsConnection } from '@nats-io/transport-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureTranscriptStream, eraseTranscripts, jetStreamSink, readTranscripts } from '../src/index.ts';
import type { TranscriptFilter } from '../src/index.ts';
import { CLIENTS, observer, readAll } from './support.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const TS = '2026-01-01T00:00:00.000000Z';

function transcript(change: object = {}): { record: TranscriptRecord; sealed: SealedTranscript } {
  const given = { producer: 'svc', taskId: 'task-1', kind: 'input', seq: 0n, ts: TS, content: 'hello', ...change };
  const record = given as TranscriptRecord;
  return { record, sealed: sealTranscript(record, { sha256, nonce: randomBytes(16).toString('hex') }) };
}

describe.each(Object.entries(CLIENTS))('transcripts over %s', (_name, connect) => {
  let server: NatsServer;
  let looking: NatsConnection;
  let sink: AuditSink;

  beforeEach(async () => {
    server = await startNats();
    looking = await observer(server.url);
    expect(await ensureTranscriptStream(looking)).toEqual({ status: 'created', differences: [] });
    sink = jetStreamSink({ connection: () => connect(server.url), transcripts: true });
  });
  afterEach(async () => {
    await sink.close(1_000);
    await looking.close();
    await server.close();
  });

  async function stored(filter: TranscriptFilter): Promise<Uint8Array[]> {
    const messages: Uint8Array[] = [];
    for await (const { bytes } of readTranscripts(looking, filter)) messages.push(bytes);
    return messages;
  }

  it('are stored in a stream of their own, in chunks, and read back', async () => {
    const { record, sealed } = transcript({ content: randomBytes(300_000).toString('hex') });
    expect(sealed.chunks.length).toBeGreaterThan(9);
    expect(await sink.writeTranscript!(sealed)).toEqual({ status: 'stored' });
    const messages = await stored({ taskId: 'task-1' });
    expect(messages).toHaveLength(sealed.chunks.length);
    expect(readTranscript(messages, sealed.digest, sha256)).toEqual({ status: 'ok', record });
    expect(await readAll(looking)).toEqual([]);
  });

  it('are there once, however often they are written', async () => {
    const { sealed } = transcript();
    await sink.writeTranscript!(sealed);
    expect(await sink.writeTranscript!(sealed, { again: true })).toEqual({ status: 'stored' });
    expect(await stored({ taskId: 'task-1' })).toHaveLength(1);
  });

  it('can be erased by task, session or request, and the ledger still verifies', async () => {
    const all = ['a', 'b'].flatMap((taskId) =>
      ['s.1', '-'].map((sessionId) => transcript({ taskId, sessionId, requestId: `${taskId}>${sessionId}` })),
    );
    const chain = createChain('0190a000-0000-7000-8000-000000000000');
    const subject = encodeSubject({ producer: 'svc' });
    for (const { record, sealed } of all) {
      await sink.writeTranscript!(sealed);
      const fields = { transcript: transcriptReference(record, sealed) };
      const draft = { ts: TS, event: 'llm_call', producer: 'svc', task_id: record.taskId, fields };
      expect((await sink.writeEvent(seal(chain, draft, subject, sha256))).status).toBe('stored');
    }
    const before = (await readAll(looking)).map(({ bytes }) => String(Buffer.from(bytes)));
    expect(await eraseTranscripts(looking, { sessionId: 's.1', taskId: 'a' })).toBe(1);
    expect(await stored({ taskId: 'a' })).toHaveLength(1);
    expect(await eraseTranscripts(looking, { requestId: 'b>-' })).toBe(1);
    expect(await stored({ producer: 'svc' })).toHaveLength(2);

    const records = await readAll(looking);
    expect(records.map(({ bytes }) => String(Buffer.from(bytes)))).toEqual(before);
    assertLedger(records);
    const messages = await stored({ producer: 'svc' });
    const found = records.map(({ bytes }) => {
      const event = JSON.parse(String(Buffer.from(bytes))) as { fields: { transcript: { digest: string } } };
      return readTranscript(messages, event.fields.transcript.digest, sha256).status;
    });
    expect(found).toEqual(['absent', 'ok', 'ok', 'absent']);
  });

  it('are not erased, or read, without saying whose', async () => {
    const option = expect.objectContaining({ code: 'SPANLEDGER_OPTION' });
    await expect(eraseTranscripts(looking, {})).rejects.toEqual(option);
    await expect(stored({ task: 'misspelt' } as TranscriptFilter)).rejects.toEqual(option);
  });

  it('are refused where the server does not take a chunk, and events go on', async () => {
    const { sealed } = transcript();
    const [chunk] = sealed.chunks;
    const outcome = await sink.writeTranscript!({ ...sealed, chunks: [chunk!, { ...chunk!, seq: 2, subject: 'a b' }] });
    expect(outcome.status).toBe('refused');
    expect(await sink.writeTranscript!(sealed)).toEqual({ status: 'stored' });
  });

  it('are not taken after close', async () => {
    await sink.close();
    const error = expect.objectContaining({ code: 'SPANLEDGER_SINK_CLOSED' });
    expect(await sink.writeTranscript!(transcript().sealed)).toEqual({ status: 'failed', error });
  });

  it('are not taken by a sink that was not told to, and its stream of them is not needed', async () => {
    const plain = jetStreamSink({ connection: () => connect(server.url) });
    expect(plain.writeTranscript).toBeUndefined();
    await plain.close();
  });
});

it('a stream from which nothing can be erased is said to be wrong', async () => {
  const server = await startNats();
  const looking = await observer(server.url, { stream: 'AUDIT_TRANSCRIPTS' });
  const { differences } = await ensureTranscriptStream(looking);
  const settings = differences.map(({ setting, severity }) => [setting, severity]);
  expect(settings).toEqual(
    expect.arrayContaining([
      ['deny_delete', 'error'],
      ['deny_purge', 'error'],
    ]),
  );
  await looking.close();
  await server.close();
});
