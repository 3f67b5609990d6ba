import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHash, randomUUID } from 'node:crypto';
import { createChain, parseEvent, readTranscript, seal, sealTranscript } from '@spanledger/protocol';
import type { SealedEvent, SealedTranscript } from '@spanledger/protocol';
import { readNdjson, testAuditSink } from '@spanledger/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fanOutSink, fileSink, memorySink } from '../src/index.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const TS = '2026-01-01T00:00:00.000000Z';
const SUBJECT = 'auditEvent.-.-.p';

function events(count: number, payload = 'x'): SealedEvent[] {
  const chain = createChain('0190a000-0000-7000-8000-000000000000');
  const draft = { ts: TS, event: 'tool_exec', producer: 'p', fields: { payload } };
  return Array.from({ length: count }, () => seal(chain, draft, SUBJECT, sha256));
}

const bytesOf = (path: string): Promise<Uint8Array[]> =>
  readFile(path).then(readNdjson, (error: { code?: string }) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });

/** Limits the size of files that this process writes while `fn` runs. */
async function withFileSizeLimit<T>(bytes: number, fn: () => Promise<T>): Promise<T> {
  const limit = (soft: string): void =>
    void execFileSync('prlimit', ['--pid', String(process.pid), `--fsize=${soft}:unlimited`]);
  const ignore = (): void => {};
  process.on('SIGXFSZ', ignore);
  limit(String(bytes));
  try {
    return await fn();
  } finally {
    limit('unlimited');
    process.off('SIGXFSZ', ignore);
  }
}

let folder: string;
let nextFile = 0;
const newPath = (): string => join(folder, `${(nextFile += 1)}.ndjson`);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'spanledger-sinks-'));
});
afterEach(() => rm(folder, { recursive: true }));

testAuditSink('memory', () => {
  const sink = memorySink();
  return { sink, read: async () => sink.records.map((record) => record.bytes) };
});

testAuditSink('file', () => {
  const path = newPath();
  return { sink: fileSink(path), read: () => bytesOf(path) };
});

testAuditSink('fan-out', () => {
  const memory = memorySink();
  const path = newPath();
  const sink = fanOutSink([memory, fileSink(path)]);
  return {
    sink,
    read: async () => {
      const stored = await bytesOf(path);
      expect(stored.map(String)).toEqual(memory.records.map(({ bytes }) => String(Buffer.from(bytes))));
      return stored;
    },
  };
});

describe('memorySink', () => {
  it('refuses what comes when it is full, and keeps what it has', async () => {
    const sink = memorySink({ maxEvents: 2 });
    const outcomes = await Promise.all(events(3).map((event) => sink.writeEvent(event)));
    expect(outcomes.map(({ status }) => status)).toEqual(['stored', 'stored', 'refused']);
    expect(sink.records.map(({ streamSeq }) => streamSeq)).toEqual([1, 2]);
  });

  it('keeps the order in which the events of each task came, written all at once', async () => {
    const sink = memorySink();
    const tasks = Array.from({ length: 10 }, (_, n) => ({ n, chain: createChain(randomUUID()) }));
    const written = Array.from({ length: 1_000 }, (_, n) => {
      const task = tasks[n % tasks.length]!;
      const draft = { ts: TS, event: 'tool_exec', producer: 'p', task_id: `task-${task.n}` };
      return seal(task.chain, draft, SUBJECT, sha256);
    });
    const outcomes = await Promise.all(written.map((event) => sink.writeEvent(event)));
    expect(outcomes.every(({ status }) => status === 'stored')).toBe(true);
    const stored = sink.records.map(({ bytes }) => parseEvent(bytes)!);
    for (const { n } of tasks) {
      const seqs = stored.filter(({ task_id }) => task_id === `task-${n}`).map(({ seq }) => seq);
      expect(seqs).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    }
  });

  it('stores nothing once it is being closed, and keeps what it has', async () => {
    const sink = memorySink();
    const [first, second] = events(2);
    await sink.writeEvent(first!);
    const closing = sink.close();
    const error = expect.objectContaining({ code: 'SPANLEDGER_SINK_CLOSED' });
    expect(await sink.writeEvent(second!)).toEqual({ status: 'failed', error });
    await closing;
    expect(sink.records.map(({ bytes }) => bytes)).toEqual([first!.bytes]);
  });
});

describe('fileSink', () => {
  it('creates the file for its owner alone', async () => {
    const path = newPath();
    const sink = fileSink(path);
    await sink.writeEvent(events(1)[0]!);
    await sink.close();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('appends to what is there', async () => {
    const path = newPath();
    const all = events(4);
    for (const half of [all.slice(0, 2), all.slice(2)]) {
      const sink = fileSink(path);
      await Promise.all(half.map((event) => sink.writeEvent(event)));
      await sink.close();
    }
    expect((await bytesOf(path)).map(String)).toEqual(all.map(({ bytes }) => String(Buffer.from(bytes))));
  });

  it('starts on a line of its own after a torn one, and leaves that as it is', async () => {
    const path = newPath();
    const [first, second] = events(2);
    const torn = Buffer.from(second!.bytes).subarray(0, 50);
    await writeFile(path, Buffer.concat([first!.bytes, Buffer.from('\n'), torn]));
    const sink = fileSink(path);
    expect(await sink.writeEvent(second!)).toEqual({ status: 'stored' });
    await sink.close();
    const lines = await bytesOf(path);
    expect(lines.map(String)).toEqual([first!.bytes, torn, second!.bytes].map((bytes) => String(Buffer.from(bytes))));
  });

  it('answers failed where the file cannot be opened, and stores again when it can', async () => {
    const path = join(folder, 'missing', 'ledger.ndjson');
    const sink = fileSink(path);
    const [first, second] = events(2);
    expect(await sink.writeEvent(first!)).toMatchObject({ status: 'failed', error: { code: 'ENOENT' } });
    await mkdir(join(folder, 'missing'));
    expect(await sink.writeEvent(second!)).toEqual({ status: 'stored' });
    await sink.close();
  });
});

describe.runIf(process.platform === 'linux')('fileSink on a medium that fails', () => {
  it('answers for each event by itself when a write gets only half way', async () => {
    const path = newPath();
    const all = events(30);
    const tenLines = all.slice(0, 10).reduce((sum, { bytes }) => sum + bytes.length + 1, 0);
    const sink = fileSink(path);
    // A real half write: the kernel takes as much as fits under the limit, and refuses the rest.
    const statuses = await withFileSizeLimit(tenLines + 50, async () => {
      const outcomes = await Promise.all(all.slice(0, 20).map((event) => sink.writeEvent(event)));
      return outcomes.map(({ status }) => status);
    });
    expect(statuses).toEqual([...Array<string>(10).fill('stored'), ...Array<string>(10).fill('failed')]);
    expect((await sink.writeEvent(all[20]!)).status).toBe('stored');
    await sink.close();
    const lines = await bytesOf(path);
    const expected = [...all.slice(0, 10).map(({ bytes }) => bytes), all[10]!.bytes.subarray(0, 50), all[20]!.bytes];
    expect(lines.map(String)).toEqual(expected.map((bytes) => String(Buffer.from(bytes))));
  });

  it('answers failed at the deadline of close, while a write hangs', async () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    const sink = fileSink(path);
    const outcomes = Promise.all(events(40, 'x'.repeat(60_000)).map((event) => sink.writeEvent(event)));
    await sink.close(100);
    expect((await outcomes).every(({ status }) => status === 'failed')).toBe(true);
    // Lets the hanging write finish, so that nothing is left behind.
    const reader = createReadStream(path);
    reader.resume();
    await once(reader, 'end');
  });
});

describe('transcripts in memory', () => {
  const transcript = (content: string): SealedTranscript =>
    sealTranscript(
      { producer: 'p', taskId: 't', kind: 'output', seq: 0n, ts: TS, content },
      { sha256, nonce: '0'.repeat(32), chunkMaxBytes: 1_024 },
    );

  it('are taken by a sink that is told how much of them, and only by that', async () => {
    expect(memorySink().writeTranscript).toBeUndefined();
    const sink = memorySink({ maxTranscriptBytes: 100_000 });
    const sealed = transcript('x'.repeat(3_000));
    expect(await sink.writeTranscript!(sealed)).toEqual({ status: 'stored' });
    expect(sink.records).toEqual([]);
    expect(sink.transcripts.map(({ subject }) => subject)).toEqual(sealed.chunks.map(() => sealed.subject));
    const messages = sink.transcripts.map(({ bytes }) => bytes);
    expect(readTranscript(messages, sealed.digest, sha256)).toMatchObject({ record: { content: 'x'.repeat(3_000) } });
  });

  it('are refused whole when there is no room, and after close', async () => {
    const sink = memorySink({ maxTranscriptBytes: 2_500 });
    const backpressure = expect.objectContaining({ code: 'SPANLEDGER_SINK_BACKPRESSURE' });
    expect(await sink.writeTranscript!(transcript('x'.repeat(5_000)))).toEqual({
      status: 'refused',
      error: backpressure,
    });
    expect(sink.transcripts).toEqual([]);
    expect(await sink.writeTranscript!(transcript('x'.repeat(500)))).toEqual({ status: 'stored' });
    await sink.close();
    const closed = expect.objectContaining({ code: 'SPANLEDGER_SINK_CLOSED' });
    expect(await sink.writeTranscript!(transcript('x'))).toEqual({ status: 'failed', error: closed });
  });
});
