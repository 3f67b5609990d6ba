import { createChain, seal, sealTranscript } from '@spanledger/protocol';
import type { AuditSink, SealedEvent, WriteOutcome } from '@spanledger/protocol';
import { describe, expect, it, vi } from 'vitest';
import { createAuditPipeline, fanOutSink, memorySink } from '../src/index.ts';
import { eventually, newScope, sha256 } from './support.ts';

const [A, B] = ['0190a000-0000-7000-8000-00000000000a', '0190a000-0000-7000-8000-00000000000b'];

function run(runId: string, count: number): SealedEvent[] {
  const chain = createChain(runId);
  const draft = { ts: '2026-01-01T00:00:00.000000Z', event: 'tool_exec', producer: 'p' };
  return Array.from({ length: count }, () => seal(chain, draft, 'auditEvent.-.-.p', sha256));
}

const idOf = ({ runId, seq }: SealedEvent): string => `${runId.at(-1)}${seq}`;
const FAILED: WriteOutcome = { status: 'failed', error: new Error('no medium') };

interface Puppet extends AuditSink {
  /** What it was given, in order. */
  readonly given: string[];
  /** Answers what it was given, by its name. */
  answer(id: string, outcome?: WriteOutcome): void;
}

/** A sink that answers when the test says so. */
function puppet(name = 'puppet', close: AuditSink['close'] = async () => {}): Puppet {
  const open = new Map<string, (outcome: WriteOutcome) => void>();
  const given: string[] = [];
  return {
    name,
    given,
    answer: (id, outcome = { status: 'stored' }) => open.get(id)!(outcome),
    writeEvent(event) {
      given.push(idOf(event));
      return new Promise((resolve) => open.set(idOf(event), resolve));
    },
    close,
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('writing to several sinks', () => {
  it('gives an event to the next only when the one before has stored it', async () => {
    const [first, second] = [puppet(), puppet()];
    const written = fanOutSink([first, second]).writeEvent(run(A, 1)[0]!);
    await turn();
    expect([first.given, second.given]).toEqual([['a1'], []]);
    first.answer('a1');
    await turn();
    expect(second.given).toEqual(['a1']);
    second.answer('a1', { status: 'stored' });
    expect(await written).toEqual({ status: 'stored' });
  });

  it.each([
    ['failed', FAILED],
    ['refused', { status: 'refused', error: new Error('too large') } satisfies WriteOutcome],
  ])('answers with the first that is not stored (%s), and those after it never see the event', async (_, outcome) => {
    const [before, after] = [memorySink(), memorySink()];
    const middle = puppet();
    const written = fanOutSink([before, middle, after]).writeEvent(run(A, 1)[0]!);
    await turn();
    middle.answer('a1', outcome);
    expect(await written).toBe(outcome);
    expect([before.records.length, after.records.length]).toEqual([1, 0]);
  });

  it('takes one that throws, or rejects, for one that failed', async () => {
    const error = new Error('a bug');
    for (const writeEvent of [() => Promise.reject(error), () => thrown(error)] as AuditSink['writeEvent'][]) {
      const after = memorySink();
      const sink = fanOutSink([{ name: 'bug', writeEvent, close: async () => {} }, after]);
      const outcomes = await Promise.all(run(A, 2).map((event) => sink.writeEvent(event)));
      expect(outcomes).toEqual([1, 2].map(() => ({ status: 'failed', error })));
      expect(after.records).toHaveLength(0);
    }
  });

  it('keeps the order of a run, in whatever order the first answers, and no run waits for another', async () => {
    const [first, second] = [puppet(), puppet()];
    const sink = fanOutSink([first, second]);
    for (const event of [...run(A, 3), ...run(B, 1)]) void sink.writeEvent(event);
    await turn();
    expect(first.given).toEqual(['a1', 'a2', 'a3', 'b1']);
    for (const id of ['a3', 'a2', 'b1']) first.answer(id);
    await turn();
    expect(second.given).toEqual(['b1']);
    first.answer('a1', FAILED);
    await turn();
    expect(second.given).toEqual(['b1', 'a2', 'a3']);
  });

  it('keeps the order of every run for any order of answers', async () => {
    for (let seed = 1; seed <= 30; seed += 1) {
      const sinks = [puppet(), puppet(), puppet()];
      const sink = fanOutSink(sinks);
      const all = [...run(A, 5), ...run(B, 5)];
      const outcomes = Promise.all(all.map((event) => sink.writeEvent(event)));
      await answerShuffled(sinks, all.length * sinks.length, seed);
      expect((await outcomes).every(({ status }) => status === 'stored')).toBe(true);
      for (const { given } of sinks) {
        for (const name of ['a', 'b']) {
          expect(given.filter((id) => id.startsWith(name))).toEqual([1, 2, 3, 4, 5].map((seq) => `${name}${seq}`));
        }
      }
    }
  });

  it('lets transcripts through as they are stored: no one of them waits for another, nor for itself', async () => {
    const answers: ((outcome: WriteOutcome) => void)[] = [];
    const slow: AuditSink = {
      ...puppet(),
      writeTranscript: () => new Promise((resolve) => void answers.push(resolve)),
    };
    const kept = memorySink({ maxTranscriptBytes: 10_000 });
    const sink = fanOutSink([slow, kept]);
    const record = { producer: 'p', taskId: 't', kind: 'output', seq: 0n, ts: '2026-01-01T00:00:00.000000Z' } as const;
    const transcript = sealTranscript({ ...record, content: 'x' }, { sha256, nonce: '0'.repeat(32) });
    const [first, again] = [1, 2].map(() => sink.writeTranscript!(transcript));
    answers[1]!({ status: 'stored' });
    await turn();
    expect(kept.transcripts).toHaveLength(1);
    expect(await again).toEqual({ status: 'stored' });
    // What the first has stored comes to the next before that is closed.
    const closed = sink.close();
    answers[0]!({ status: 'stored' });
    await closed;
    expect(await first).toEqual({ status: 'stored' });
    expect(kept.transcripts).toHaveLength(2);
  });

  it('loses one event and no other when a sink in the middle fails it, and the ledger says which', async () => {
    const [first, last] = [memorySink(), memorySink()];
    let writes = 0;
    const flaky: AuditSink = {
      name: 'flaky',
      writeEvent: async () => ((writes += 1) === 2 ? FAILED : { status: 'stored' }),
      close: async () => {},
    };
    const pipeline = createAuditPipeline({ producer: 'svc', sink: fanOutSink([first, flaky, last]) });
    const scope = newScope();
    const ids = ['a', 'b', 'c'].map((event) => pipeline.emit(scope, { event }));
    await eventually(async () => {
      await pipeline.flush();
      expect(pipeline.health().losses).toMatchObject({ events: 1, unreported: 0 });
    });
    await pipeline.shutdown();
    const text = (sink: typeof first): string => sink.records.map(({ bytes }) => Buffer.from(bytes)).join('\n');
    expect(ids).not.toContain(undefined);
    // What the last one has, the first one has.
    for (const line of text(last).split('\n')) expect(text(first)).toContain(line);
    expect(text(last)).toContain('"audit_loss"');
    expect(first.records.length).toBe(last.records.length + 1);
  });

  it('lets the sink that may lose what it had say what was there before, and how it is', async () => {
    const told: unknown[] = [];
    let resume = (): void => {};
    const stream: AuditSink = {
      name: 'stream',
      async writeEvent(_, options) {
        told.push(options);
        return { status: 'stored', streamSeq: 7, duplicate: true };
      },
      status: () => ({ problem: new Error('no leader'), retries: 3 }),
      onResume: (listener) => void (resume = listener),
      close: async () => {},
    };
    const sink = fanOutSink([memorySink(), stream, memorySink()]);
    const again = await sink.writeEvent(run(A, 1)[0]!, { again: true });
    expect(again).toEqual({ status: 'stored', streamSeq: 7, duplicate: true });
    expect(told).toEqual([{ again: true }]);
    expect(sink.status?.()).toMatchObject({ problem: { message: 'no leader' }, retries: 3 });
    const listener = vi.fn<() => void>();
    sink.onResume?.(listener);
    resume();
    expect(listener).toHaveBeenCalledTimes(1);
    expect(fanOutSink([memorySink()]).onResume).toBeUndefined();
  });

  it('needs at least one sink', () => {
    expect(() => fanOutSink([])).toThrow(expect.objectContaining({ code: 'SPANLEDGER_OPTION' }));
  });
});

describe('closing several sinks', () => {
  /** Rejects as often as it is told to, and counts. */
  function stubborn(name: string, failures: number) {
    const calls: (number | undefined)[] = [];
    const sink = puppet(name, async (deadlineMs) => {
      calls.push(deadlineMs);
      if (calls.length <= failures) throw new Error(`${name} ${calls.length}`);
    });
    return { sink, calls };
  }

  it('tries every one, says what failed, and a retry closes only that', async () => {
    const [a, b, c] = [stubborn('a', 2), stubborn('b', 0), stubborn('c', 1)];
    const sink = fanOutSink([a.sink, b.sink, c.sink]);
    const error = await sink.close().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'SPANLEDGER_SINK', message: 'not closed: the a sink: a 1; the c sink: c 1' });
    const { cause } = error as { cause: AggregateError };
    expect(cause).toBeInstanceOf(AggregateError);
    expect(cause.errors).toMatchObject([{ cause: { message: 'a 1' } }, { cause: { message: 'c 1' } }]);
    await expect(sink.close()).rejects.toMatchObject({ cause: { errors: [{ cause: { message: 'a 2' } }] } });
    await sink.close();
    await sink.close();
    expect([a, b, c].map(({ calls }) => calls.length)).toEqual([3, 1, 2]);
  });

  it('passes events on until all are closed, and answers for itself after that', async () => {
    const [kept, failing] = [memorySink(), stubborn('b', 1)];
    const sink = fanOutSink([failing.sink, kept]);
    const [first, second] = run(A, 2);
    await expect(sink.close()).rejects.toMatchObject({ code: 'SPANLEDGER_SINK' });
    const written = sink.writeEvent(first!);
    failing.sink.answer('a1');
    const message = 'the memory sink is closed';
    expect(await written).toMatchObject({ status: 'failed', error: { code: 'SPANLEDGER_SINK_CLOSED', message } });
    await sink.close();
    const after = { code: 'SPANLEDGER_SINK_CLOSED', message: 'the fan-out sink is closed' };
    expect(await sink.writeEvent(second!)).toMatchObject({ status: 'failed', error: after });
    expect(failing.sink.given).toEqual(['a1']);
  });

  it('closes a sink only when everything the one before has stored has come to it', async () => {
    const [slow, kept] = [puppet('slow', () => closed), memorySink()];
    let release = (): void => {};
    const closed = new Promise<void>((resolve) => (release = resolve));
    const sink = fanOutSink([slow, kept]);
    const all = run(A, 100);
    const outcomes = Promise.all(all.map((event) => sink.writeEvent(event)));
    const closing = sink.close();
    for (const event of all.toReversed()) slow.answer(idOf(event));
    release();
    await closing;
    expect(kept.records).toHaveLength(100);
    expect((await outcomes).every(({ status }) => status === 'stored')).toBe(true);
  });

  it('is closed once, however many wait for it', async () => {
    const a = stubborn('a', 0);
    const sink = fanOutSink([a.sink]);
    await Promise.all([sink.close(), sink.close(5_000)]);
    expect(a.calls).toHaveLength(1);
  });

  it('does not let one that misses its deadline keep the others from being closed', async () => {
    let release = (): void => {};
    const hanging = puppet('hanging', () => new Promise((resolve) => (release = resolve)));
    const other = stubborn('other', 0);
    const sink = fanOutSink([hanging, other.sink]);
    await expect(sink.close(50)).rejects.toMatchObject({
      message: 'not closed: the hanging sink: it did not close in time',
    });
    expect(other.calls).toEqual([0]);
    const again = sink.close(60_000);
    release();
    await again;
    expect(other.calls).toHaveLength(1);
  });

  it('does not let one that closes without an answer to what it was given keep them either', async () => {
    const [silent, other] = [puppet('silent'), stubborn('other', 0)];
    const sink = fanOutSink([silent, other.sink]);
    void sink.writeEvent(run(A, 1)[0]!);
    await expect(sink.close(50)).rejects.toMatchObject({
      message: 'not closed: the silent sink: it is closed, and has not answered all that it was given',
    });
    expect(other.calls).toHaveLength(1);
  });
});

function thrown(error: Error): never {
  throw error;
}

/** Answers all writes, in an order that the seed says: of what is open, any may be next. */
async function answerShuffled(sinks: readonly Puppet[], count: number, seed: number): Promise<void> {
  const answered = new Set<string>();
  let state = seed;
  for (let left = count; left > 0; left -= 1) {
    await turn();
    const open = sinks.flatMap((sink, index) => sink.given.map((id) => ({ sink, id, name: `${index}:${id}` })));
    const waiting = open.filter(({ name }) => !answered.has(name));
    state = (state * 48_271) % 2_147_483_647;
    const { sink, id, name } = waiting[state % waiting.length]!;
    answered.add(name);
    sink.answer(id);
  }
}
