import { createChain, encodeSubject, parseEvent, readTranscript, seal } from '@spanledger/protocol';
import type { SealedEvent } from '@spanledger/protocol';
import { afterEach, describe, expect, it } from 'vitest';
import { createEventBus } from '../src/bus.ts';
import { audit, createAuditPipeline, fanOutSink, getPipeline, memorySink, registerPipeline } from '../src/index.ts';
import { busEvent, numbers, readAll, TASK } from './bus/support.ts';
import { eventsOf, newScope, sha256, walkRun } from './support.ts';

const LAST = Number.MAX_SAFE_INTEGER;

let unregister = (): void => {};
afterEach(async () => {
  const pipeline = getPipeline();
  unregister();
  await pipeline?.shutdown(2_000);
});

describe('sequence numbers past 2^53 never lose precision', () => {
  it('of transcripts: neighbours are two, from the call to the subject, the event, the sink and the reader', async () => {
    const [first, second] = [1, 2].map(() => memorySink({ maxTranscriptBytes: 1_000_000 }));
    unregister = registerPipeline(createAuditPipeline({ producer: 'svc', sink: fanOutSink([first!, second!]) }));
    const seqs = [2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 2n, 2n ** 64n - 1n];
    for (const seq of seqs) await audit.writeTranscript({ kind: 'input', taskId: 't', seq, content: 'x' });
    for (const sink of [first!, second!]) {
      const messages = sink.transcripts.map(({ bytes }) => bytes);
      const references = eventsOf(sink)
        .filter(({ event }) => event === 'transcript_recorded')
        .map(({ fields }) => fields!['transcript'] as { seq: string; digest: string });
      expect(references.map(({ seq }) => BigInt(seq))).toEqual(seqs);
      expect(sink.transcripts.map(({ subject }) => subject!.split('.').at(-1))).toEqual(seqs.map(String));
      const readings = references.map(({ digest }) => readTranscript(messages, digest, sha256));
      expect(readings).toMatchObject(seqs.map((seq) => ({ status: 'ok', record: { seq } })));
    }
  });

  it('of transcripts: a number of JavaScript is refused, because it may have lost some already', async () => {
    unregister = registerPipeline(
      createAuditPipeline({ producer: 'svc', sink: memorySink({ maxTranscriptBytes: 1_000 }) }),
    );
    for (const seq of [2 ** 53, 1, '1', -1n, 2n ** 64n]) {
      const written = audit.writeTranscript({ kind: 'input', taskId: 't', seq: seq as bigint, content: 'x' });
      await expect(written).rejects.toMatchObject({ code: 'SPANLEDGER_TRANSCRIPT' });
    }
  });

  it('of the bus: neighbours that travel as texts are ordered, and are not taken for copies', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    const publish = (seq: bigint) => bus.publish(busEvent('tool_exec', { run_id: 'r', seq: `${seq}` as never }));
    publish(2n ** 53n);
    publish(2n ** 53n + 1n);
    publish(2n ** 64n + 1n);
    expect(publish(2n ** 64n)).toEqual({ delivered: 0, dropped: 1 });
    expect(publish(2n ** 64n + 1n)).toEqual({ delivered: 0, dropped: 0 });
    bus.close();
    expect(numbers(await readAll(subscription))).toEqual([
      '9007199254740992',
      '9007199254740993',
      '18446744073709551617',
      '-1',
    ]);
  });

  it('of events: the last number that a run can have is exact, and no other is ever given twice', async () => {
    const chain = createChain('0190a000-0000-7000-8000-000000000000');
    chain.seq = LAST - 2;
    const draft = { ts: '2026-01-01T00:00:00.000000Z', event: 'tool_exec', producer: 'svc' };
    const next = (): SealedEvent => seal(chain, draft, encodeSubject({ producer: 'svc' }), sha256);
    const sink = memorySink();
    for (const seq of [LAST - 1, LAST]) {
      const event = next();
      await sink.writeEvent(event);
      expect([event.seq, parseEvent(event.bytes)?.seq]).toEqual([seq, seq]);
    }
    for (let tries = 0; tries < 2; tries += 1) {
      expect(next).toThrow(expect.objectContaining({ code: 'SPANLEDGER_EVENT' }));
    }
    expect(sink.records.map(({ bytes }) => parseEvent(bytes)?.seq)).toEqual([LAST - 1, LAST]);
    expect(chain.seq).toBe(LAST);
  });

  it('of events: a run that has no number left says so, and other runs go on', async () => {
    const sink = memorySink();
    const pipeline = createAuditPipeline({ producer: 'svc', sink });
    unregister = registerPipeline(pipeline);
    const [full, other] = [newScope(), newScope()];
    full.run.chain.seq = LAST;
    expect(pipeline.emit(full, { event: 'tool_exec' })).toBeUndefined();
    await expect(pipeline.emitDurable(full, { event: 'tool_exec' })).rejects.toMatchObject({
      code: 'SPANLEDGER_NOT_DURABLE',
    });
    expect(pipeline.emit(other, { event: 'tool_exec' })).toBe(`${other.run.id}:1`);
    await pipeline.flush();
    expect(walkRun(sink, other.run.id).events).toBe(1);
    expect(pipeline.health().losses.events).toBe(2);
  });

  it('of events: whole numbers in their fields travel as texts, digit by digit', async () => {
    const sink = memorySink();
    unregister = registerPipeline(createAuditPipeline({ producer: 'svc', sink }));
    await audit.write({ event: 'task_accepted', fields: { big: 2n ** 53n + 1n, bigger: 2n ** 70n } });
    const [event] = eventsOf(sink).filter((one) => one.event === 'task_accepted');
    expect(event!.fields).toEqual({ big: '9007199254740993', bigger: '1180591620717411303424' });
  });
});
