import { eventId, readTranscript } from '@spanledger/protocol';
import type { AuditSink } from '@spanledger/protocol';
import { assertLedger, assertValidEvents } from '@spanledger/testkit';
import { describe, expect, it } from 'vitest';
import { audit, fanOutSink, getPipeline, memorySink } from '../src/index.ts';
import type { MemorySink } from '../src/index.ts';
import { registeredPipelines } from './registered-pipeline.ts';
import { eventsOf, sha256 } from './support.ts';

const { begin, leave } = registeredPipelines();

const taking = (): MemorySink => memorySink({ maxTranscriptBytes: 100_000_000 });
const STORED = { status: 'stored' } as const;
const INPUT = { kind: 'input', taskId: 't', content: 'hello' } as const;

/** What the ledger says of transcripts, and what is there of each. */
function read(sink: MemorySink) {
  const messages = sink.transcripts.map(({ bytes }) => bytes);
  return eventsOf(sink)
    .filter(({ event }) => event === 'transcript_recorded')
    .map((event) => {
      const reference = event.fields?.['transcript'] as { kind: string; seq: string; digest: string; chunks: number };
      return { event, reference, reading: readTranscript(messages, reference.digest, sha256) };
    });
}

describe('audit.writeTranscript', () => {
  it('stores the transcript, and its digest is in the ledger', async () => {
    const sink = taking();
    begin({ sink });
    const content = '{"role":"user"}\n漢🐎'.repeat(20_000);
    const id = await audit.writeTranscript({ ...INPUT, sessionId: 's', requestId: 'r', seq: 2n ** 60n, content });
    const [{ event, reference, reading }] = read(sink) as [ReturnType<typeof read>[number]];
    expect(id).toBe(eventId({ runId: event.run_id, seq: event.seq }));
    expect(event).toMatchObject({ task_id: 't', session_id: 's', client_request_id: 'r' });
    expect(reference).toMatchObject({ kind: 'input', seq: String(2n ** 60n), chunks: sink.transcripts.length });
    const record = {
      producer: 'svc',
      kind: 'input',
      taskId: 't',
      sessionId: 's',
      requestId: 'r',
      seq: 2n ** 60n,
      content,
    };
    expect(reading).toMatchObject({ status: 'ok', record });
    expect(sink.records.map(({ bytes }) => String(Buffer.from(bytes))).join('')).not.toContain('role');
    assertValidEvents(sink.records);
  });

  it('leaves a ledger that verifies when all content is erased', async () => {
    const sink = taking();
    begin({ sink });
    await audit.writeTranscript(INPUT);
    await audit.writeTranscript({ ...INPUT, kind: 'event_summary', content: { events: 2, counts: { llm_call: 2 } } });
    expect(read(sink).map(({ reading }) => reading.status)).toEqual(['ok', 'ok']);
    (sink.transcripts as unknown[]).length = 0;
    expect(read(sink).map(({ reading }) => reading.status)).toEqual(['absent', 'absent']);
    assertLedger(sink.records);
  });

  it('is recorded in the order of the calls', async () => {
    const sink = taking();
    begin({ sink });
    await Promise.all(Array.from({ length: 50 }, (_, n) => audit.writeTranscript({ ...INPUT, seq: BigInt(n) })));
    expect(read(sink).map(({ reference }) => Number(reference.seq))).toEqual(Array.from({ length: 50 }, (_, n) => n));
  });

  it('is off where nothing was told to take transcripts, and nothing is recorded', async () => {
    const sink = memorySink();
    await expect(audit.writeTranscript(INPUT)).rejects.toMatchObject({ code: 'SPANLEDGER_NO_SINK' });
    begin({ sink });
    await expect(audit.writeTranscript(INPUT)).rejects.toMatchObject({ code: 'SPANLEDGER_NO_SINK' });
    await getPipeline()?.flush();
    expect(sink.records).toEqual([]);
  });

  it('records nothing of one that cannot be sealed', async () => {
    const sink = taking();
    begin({ sink });
    await expect(audit.writeTranscript({ ...INPUT, taskId: '' })).rejects.toMatchObject({
      code: 'SPANLEDGER_TRANSCRIPT',
    });
    await getPipeline()?.flush();
    expect([sink.records, sink.transcripts]).toEqual([[], []]);
  });

  it('fails when there is no room for it, and when the sink is closed', async () => {
    const sink = memorySink({ maxTranscriptBytes: 1_000 });
    begin({ sink });
    const content = 'x'.repeat(2_000);
    await expect(audit.writeTranscript({ ...INPUT, content })).rejects.toMatchObject({
      code: 'SPANLEDGER_SINK_BACKPRESSURE',
    });
    await getPipeline()?.shutdown();
    await expect(audit.writeTranscript(INPUT)).rejects.toMatchObject({ code: 'SPANLEDGER_SINK_CLOSED' });
  });

  it('stores nothing of what no event says, because there was no room for the event', async () => {
    const sink: AuditSink = { ...taking(), writeEvent: () => new Promise<never>(() => {}) };
    const stored: string[] = [];
    const counting = {
      ...sink,
      writeTranscript: async ({ digest }: { digest: string }) => (stored.push(digest), STORED),
    };
    begin({ sink: counting, queueMaxBytes: 1 << 20 });
    while (audit.emit({ event: 'filling', fields: { note: 'x'.repeat(1_000) } }) !== undefined);
    await expect(audit.writeTranscript(INPUT)).rejects.toMatchObject({ code: 'SPANLEDGER_SINK_BACKPRESSURE' });
    expect(stored).toEqual([]);
    await getPipeline()?.shutdown(10);
  });

  it('fails when the sink does not answer in time, and holds no more than its bound meanwhile', async () => {
    const silent = { ...memorySink(), writeTranscript: () => new Promise<never>(() => {}) };
    begin({ sink: silent });
    const late = audit.writeTranscript({ ...INPUT, deadlineMs: 200 });
    await expect(late).rejects.toMatchObject({
      code: 'SPANLEDGER_NOT_DURABLE',
      message: /not stored: the deadline of 200 ms/,
    });
    const content = 'x'.repeat(15 * 1024 * 1024);
    const options = { ...INPUT, content, deadlineMs: 20 };
    for (let n = 0; n < 4; n += 1) await audit.writeTranscript(options).catch(() => {});
    await expect(audit.writeTranscript(options)).rejects.toMatchObject({ code: 'SPANLEDGER_SINK_BACKPRESSURE' });
  });

  it('goes to all of several sinks that take transcripts, in order, and not past one that does not store it', async () => {
    const [plain, first, full, last] = [memorySink(), taking(), memorySink({ maxTranscriptBytes: 1 }), taking()];
    begin({ sink: fanOutSink([plain, first, last]) });
    await audit.writeTranscript(INPUT);
    expect([first.transcripts.length, last.transcripts.length]).toEqual([1, 1]);
    leave();
    begin({ sink: fanOutSink([first, full, last]) });
    await expect(audit.writeTranscript(INPUT)).rejects.toMatchObject({ code: 'SPANLEDGER_SINK_BACKPRESSURE' });
    expect([first.transcripts.length, last.transcripts.length]).toEqual([2, 1]);
    expect(fanOutSink([plain]).writeTranscript).toBeUndefined();
  });
});
