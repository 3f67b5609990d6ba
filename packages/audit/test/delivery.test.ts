import { existsSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import v8 from 'node:v8';
import vm from 'node:vm';
import { createChain, parseEvent, seal } from '@spanledger/protocol';
import type { AuditSink, SealedEvent, WriteOutcome } from '@spanledger/protocol';
import { assertLedger } from '@spanledger/testkit';
import { describe, expect, it, vi } from 'vitest';
import { createAuditPipeline, fileSink, memorySink } from '../src/index.ts';
import type { AuditPipeline, MemorySink } from '../src/index.ts';
import { draft, journalIn, namesOf, newDirectory, pipelineWith } from './journaled-pipeline.ts';
import { eventsOf, eventually, gateSink, newScope, sha256 } from './support.ts';

type Listener = (outcome: WriteOutcome) => void;

const MIB = 1024 * 1024;
/** A sink like a stream: it knows what it has, and can lose its end. */
function streamSink() {
  const stored = memorySink({ maxEvents: 1_000_000 });
  const seqs = new Map<string, number>();
  let resume = (): void => {};
  let lastSeq = 0;
  const sink: AuditSink = {
    name: 'stream',
    async writeEvent(event) {
      const id = `${event.runId}:${event.seq}:${event.hash}`;
      const known = seqs.get(id);
      if (known !== undefined) return { status: 'stored', streamSeq: known, duplicate: true };
      const streamSeq = (lastSeq += 1);
      seqs.set(id, streamSeq);
      await stored.writeEvent(event);
      return { status: 'stored', streamSeq };
    },
    onResume(listener) {
      resume = listener;
    },
    async close() {},
  };
  return {
    sink,
    stored,
    has: ({ runId, seq, hash }: SealedEvent) => seqs.has(`${runId}:${seq}:${hash}`),
    size: () => seqs.size,
    goBackTo(streamSeq: number, isNoticed: boolean) {
      for (const [id, seq] of seqs) if (seq > streamSeq) seqs.delete(id);
      lastSeq = streamSeq;
      if (isNoticed) resume();
    },
    resume: () => resume(),
    /** Message ids older than its window. */
    forget: () => seqs.clear(),
  };
}

describe('with a journal', () => {
  it('keeps little in memory in an outage, loses nothing, and drains in order', async () => {
    const sink = gateSink();
    const journal = journalIn(newDirectory(), { segmentBytes: MIB });
    const pipeline = pipelineWith({ sink, journal, queueMaxBytes: MIB });
    const scopes = [newScope(), newScope()];
    for (let n = 0; n < 20_000; n += 1) {
      const id = pipeline.emit(scopes[n % 2]!, { event: 'tool_exec', fields: { n, pad: 'x'.repeat(300) } });
      if (n % 1_000 === 0) await new Promise((resolve) => setImmediate(resolve));
      expect(id).toBeDefined();
    }
    expect(pipeline.health().accepting).toBe(true);
    expect(unacknowledgedOf(pipeline)).toBe(20_000);
    expect(pipeline.health().queue.bytes).toBeLessThan(1.1 * MIB);
    sink.open();
    expect(await pipeline.flush()).toBe(true);
    for (const { run } of scopes) expect(eventsOf(sink.stored, run.id).map(({ seq }) => seq)).toEqual(upTo(10_000));
    await pipeline.shutdown();
    expect(journal.stats.unacknowledged).toBe(0);
    assertLedger(sink.stored.records);
  });

  it('catches up with a journal that grows while it is read', async () => {
    const sink = gateSink();
    const journal = journalIn(newDirectory(), { segmentBytes: MIB });
    const read = vi.spyOn(journal, 'read');
    const pipeline = pipelineWith({ sink, journal, queueMaxBytes: MIB });
    const scope = newScope();
    const emit = (): void => void pipeline.emit(scope, { event: 'tool_exec', fields: { pad: 'x'.repeat(300) } });
    for (let n = 0; n < 10_000; n += 1) emit();
    sink.open();
    // Some in every turn: the end of the journal is never where it was when reading began.
    for (let turn = 0; turn < 2_000; turn += 1) {
      emit();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await pipeline.flush()).toBe(true);
    expect(eventsOf(sink.stored, scope.run.id).map(({ seq }) => seq)).toEqual(upTo(12_000));
    expect(read.mock.calls.length).toBeLessThan(20);
  });

  it('tries again what the sink gives up on, and loses nothing', async () => {
    const stored = memorySink();
    let broken = true;
    const sink: AuditSink = {
      ...stored,
      async writeEvent(event) {
        return broken ? { status: 'failed', error: new Error('disk gone') } : stored.writeEvent(event);
      },
    };
    const pipeline = pipelineWith({ sink, journal: journalIn(newDirectory()) });
    const scope = newScope();
    for (let n = 0; n < 3_000; n += 1) pipeline.emit(scope, { event: 'tool_exec' });
    await eventually(() =>
      expect(pipeline.health()).toMatchObject({ status: 'degraded', sink: { healthy: false, problem: 'disk gone' } }),
    );
    expect(await pipeline.flush(100)).toBe(false);
    broken = false;
    expect(await pipeline.flush()).toBe(true);
    // What was in the queue when the sink was mended comes before what is tried again.
    const seqs = eventsOf(stored, scope.run.id).map(({ seq }) => seq);
    expect(seqs.sort((a, b) => a - b)).toEqual(upTo(3_000));
    expect(pipeline.health().losses).toEqual({ events: 0, unreported: 0 });
    expect(pipeline.health().status).toBe('ok');
  });

  it('does not go on giving events to a sink that gives up on all of them, and remembers no more', async () => {
    const stored = memorySink({ maxEvents: 200_000 });
    const given = new Set<number>();
    let broken = true;
    const scope = newScope();
    const sink: AuditSink = {
      ...stored,
      async writeEvent(event) {
        if (event.runId === scope.run.id) given.add(event.seq);
        return broken ? { status: 'failed', error: new Error('disk gone') } : stored.writeEvent(event);
      },
    };
    const pipeline = pipelineWith({ sink, journal: journalIn(newDirectory()) });
    for (let n = 0; n < 30_000; n += 1) {
      pipeline.emit(scope, { event: 'tool_exec' });
      // Fewer than are given in a turn: what is in the queue when enough have failed is given as well.
      if (n % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await eventually(() => expect(pipeline.health().queue.events).toBe(0));
    expect(given.size).toBeGreaterThan(1_000);
    expect(given.size).toBeLessThan(20_000);
    broken = false;
    expect(await pipeline.flush()).toBe(true);
    // As above: some may have been in the queue, on a machine that has tried again by then.
    const seqs = eventsOf(stored, scope.run.id).map(({ seq }) => seq);
    expect(seqs.sort((a, b) => a - b)).toEqual(upTo(30_000));
    await pipeline.shutdown();
    expect(checkpointed(stored).get(scope.run.id)?.seq).toBe(30_000);
  });

  it('parks nothing behind an event that is refused for good, and reports that one', async () => {
    const stored = memorySink();
    const scope = newScope();
    const sink: AuditSink = {
      ...stored,
      async writeEvent(event) {
        if (event.runId === scope.run.id && event.seq === 2)
          return { status: 'refused', error: new Error('too large') };
        return stored.writeEvent(event);
      },
    };
    const journal = journalIn(newDirectory());
    const pipeline = pipelineWith({ sink, journal });
    for (let n = 0; n < 5; n += 1) pipeline.emit(scope, { event: 'tool_exec' });
    await pipeline.shutdown();
    expect(eventsOf(stored, scope.run.id).map(({ seq }) => seq)).toEqual([1, 3, 4, 5]);
    const loss = eventsOf(stored).find(({ event }) => event === 'audit_loss');
    expect(loss?.fields).toMatchObject({ run_id: scope.run.id, first_seq: 2, last_seq: 2, reason: 'refused' });
    expect(journal.stats.unacknowledged).toBe(0);
  });

  it('goes on in memory when the journal refuses, and reports what does not fit there', async () => {
    const sink = gateSink();
    const journal = journalIn(newDirectory(), { segmentBytes: 65_536, maxBytes: 3 * 65_536 });
    const pipeline = pipelineWith({ sink, journal, queueMaxBytes: MIB });
    const scope = newScope();
    const ids = Array.from({ length: 4_000 }, () =>
      pipeline.emit(scope, { event: 'tool_exec', fields: { pad: 'x'.repeat(200) } }),
    );
    const lost = ids.filter((id) => id === undefined).length;
    expect(lost).toBeGreaterThan(500);
    expect(ids.length - lost).toBeGreaterThan(1_000);
    expect(pipeline.health()).toMatchObject({ status: 'failing', accepting: false, journal: { healthy: false } });
    sink.open();
    await eventually(async () => {
      await pipeline.flush();
      const reported = eventsOf(sink.stored).filter(({ event }) => event === 'audit_loss');
      expect(reported.reduce((sum, { fields }) => sum + Number(fields?.['count']), 0)).toBe(lost);
      expect(new Set(reported.map(({ fields }) => fields?.['reason']))).toEqual(new Set(['journal_full']));
    });
    expect(eventsOf(sink.stored, scope.run.id)).toHaveLength(4_000 - lost);
    // Also where nobody offers it anything meanwhile.
    expect(pipeline.health().accepting).toBe(true);
    await pipeline.shutdown();
    assertLedger(sink.stored.records);
  });

  it('publishes what a dead process has left, the same bytes, and names its open runs and its instance run', async () => {
    const directory = newDirectory();
    const dead = journalIn(directory);
    const [open, ended] = [createChain(crypto.randomUUID()), createChain(crypto.randomUUID())];
    const names = ['invocation_started', 'tool_exec', 'invocation_complete', 'late'];
    const events = names.map((event) => seal(ended, draft(event), 'auditEvent.-.-.svc', sha256));
    events.push(
      ...['invocation_started', 'tool_exec'].map((event) => seal(open, draft(event), 'auditEvent.-.-.svc', sha256)),
    );
    for (const event of events) dead.append(event);
    dead.acknowledge(1);
    await dead.close();

    const sink = memorySink();
    const pipeline = pipelineWith({ sink, journal: journalIn(directory) });
    await eventually(() => expect(namesOf(sink)).toContain('run_abandoned'));
    expect(sink.records.slice(0, 5).map(({ bytes }) => sha256(bytes))).toEqual(events.slice(1).map(({ hash }) => hash));
    const abandoned = eventsOf(sink).filter(({ event }) => event === 'run_abandoned');
    expect(abandoned).toMatchObject([
      { seq: 1, workflow_execution_id: 'exec', fields: { run_id: open.runId, last_seq: 2, head_hash: open.head } },
    ]);
    await pipeline.shutdown();
    expect(eventsOf(sink).at(-1)).toMatchObject({ event: 'audit_checkpoint', fields: { final: true } });

    // Nothing is left to say for the next one, also not while the retention lasts.
    const next = memorySink();
    const later = pipelineWith({ sink: next, journal: journalIn(directory) });
    later.emit(later.instance, { event: 'boot' });
    await later.shutdown();
    expect(namesOf(next)).toEqual(['boot', 'audit_checkpoint']);
    const { predecessor } = eventsOf(next)[0]!.fields as { predecessor: Record<string, unknown> };
    const last = eventsOf(sink, pipeline.instance.run.id).at(-1)!;
    expect(predecessor).toMatchObject({ run_id: pipeline.instance.run.id, last_seq: last.seq });
  });

  it.each([true, false])('publishes again what a stream has lost (told of the interruption: %s)', async (isNoticed) => {
    const stream = streamSink();
    const pipeline = pipelineWith({ sink: stream.sink, journal: journalIn(newDirectory()) });
    const scope = newScope();
    for (let n = 0; n < 1_500; n += 1) pipeline.emit(scope, { event: 'tool_exec' });
    await pipeline.flush();
    const before = stream.size();
    stream.resume();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(namesOf(stream.stored)).not.toContain('audit_export_status');
    stream.goBackTo(700, isNoticed);
    if (!isNoticed) pipeline.emit(scope, { event: 'tool_exec' });
    await eventually(() => {
      expect(stream.size()).toBeGreaterThanOrEqual(before + 1);
      const status = eventsOf(stream.stored).find(({ event }) => event === 'audit_export_status');
      expect(status?.fields).toMatchObject({ went_backwards: true, last_stream_seq: before });
    });
    await pipeline.flush();
    expect(pipeline.health().losses.events).toBe(0);
  });

  it('does not claim that a stream went backwards which may only have forgotten the id', async () => {
    const stream = streamSink();
    const pipeline = pipelineWith({ sink: stream.sink, journal: journalIn(newDirectory()) });
    pipeline.emit(newScope(), { event: 'tool_exec' });
    await pipeline.flush();
    stream.forget();
    stream.resume();
    await eventually(() => expect(namesOf(stream.stored)).toContain('audit_export_status'));
    const status = eventsOf(stream.stored).find(({ event }) => event === 'audit_export_status');
    expect(status?.fields).toMatchObject({ may_have_lost: true, last_stream_seq: 1, stream_seq: 2 });
    expect(status?.fields).not.toHaveProperty('went_backwards');
  });

  it('writes nothing twice to a file, which cannot say what it has lost', async () => {
    const directory = newDirectory();
    const file = path.join(directory, 'ledger.ndjson');
    const lines = (): string[] => readFileSync(file, 'utf8').trim().split('\n');
    const first = createAuditPipeline({ producer: 'svc', sink: fileSink(file), journal: journalIn(directory) });
    for (let n = 0; n < 5; n += 1) first.emit(newScope(), { event: 'tool_exec' });
    await first.shutdown();
    const second = pipelineWith({ sink: fileSink(file), journal: journalIn(directory) });
    await eventually(() => expect(lines().filter((line) => line.includes('run_abandoned'))).toHaveLength(5));
    await second.shutdown();
    expect(new Set(lines()).size).toBe(lines().length);
    expect(lines().filter((line) => line.includes('audit_export_status'))).toEqual([]);
  });

  it('publishes again what a stream has lost together with the process that wrote to it', async () => {
    const directory = newDirectory();
    const dead = journalIn(directory);
    const chain = createChain(crypto.randomUUID());
    const stream = streamSink();
    for (let n = 1; n <= 300; n += 1) {
      const event = seal(chain, draft('tool_exec'), 'auditEvent.-.-.svc', sha256);
      dead.append(event);
      if (n <= 200) await stream.sink.writeEvent(event);
      if (n <= 200) dead.acknowledge(n);
    }
    await dead.close();
    stream.goBackTo(150, false);
    const pipeline = pipelineWith({ sink: stream.sink, journal: journalIn(directory) });
    await eventually(() => expect(namesOf(stream.stored)).toContain('run_abandoned'));
    const seqs = new Set(
      eventsOf(stream.stored, chain.runId)
        .slice(200)
        .map(({ seq }) => seq),
    );
    for (let seq = 151; seq <= 300; seq += 1) expect(seqs.has(seq), `number ${seq}`).toBe(true);
    await pipeline.shutdown();
  });

  it('publishes everything again that a process has left which died in doubt, and forgets the doubt', async () => {
    const directory = newDirectory();
    const dead = journalIn(directory);
    const chain = createChain(crypto.randomUUID());
    const stream = streamSink();
    for (let n = 1; n <= 300; n += 1) {
      const event = seal(chain, draft('tool_exec'), 'auditEvent.-.-.svc', sha256);
      dead.append(event);
      dead.acknowledge(n);
      // The stream went backwards, and then the process stored more.
      if (n > 250) await stream.sink.writeEvent(event);
    }
    dead.markDoubtful(true);
    await dead.close();
    const pipeline = pipelineWith({ sink: stream.sink, journal: journalIn(directory) });
    await eventually(() => expect(new Set(eventsOf(stream.stored, chain.runId).map(({ seq }) => seq)).size).toBe(300));
    await eventually(() => expect(existsSync(path.join(dead.folder, 'doubtful'))).toBe(false));
    await pipeline.shutdown();
  });

  it('is in doubt from an interruption until it knows that nothing is lost', async () => {
    const stream = streamSink();
    let answer = (): void => {};
    const held = new Promise<void>((resolve) => (answer = resolve));
    let isHeld = false;
    const sink: AuditSink = {
      ...stream.sink,
      async writeEvent(event, options) {
        if (isHeld) await held;
        return stream.sink.writeEvent(event, options);
      },
    };
    const journal = journalIn(newDirectory());
    const pipeline = pipelineWith({ sink, journal });
    pipeline.emit(newScope(), { event: 'tool_exec' });
    await pipeline.flush();
    isHeld = true;
    stream.resume();
    const mark = path.join(journal.folder, 'doubtful');
    expect(existsSync(mark)).toBe(true);
    answer();
    await eventually(() => expect(existsSync(mark)).toBe(false));
  });

  it('asks for what was answered last before an interruption, also where answers and it come in one go', async () => {
    const written: { readonly event: SealedEvent; readonly again: boolean; readonly answer: Listener }[] = [];
    let resume = (): void => {};
    const sink: AuditSink = {
      name: 'stream',
      writeEvent: (event, { again = false } = {}) => ({
        // oxlint-disable-next-line unicorn/no-thenable -- What a sink may answer with.
        then: (answer: Listener) => written.push({ event, again, answer }),
      }),
      onResume: (listener) => void (resume = listener),
      close: async () => {},
    };
    const pipeline = pipelineWith({ sink, journal: journalIn(newDirectory()) });
    const scope = newScope();
    for (let n = 1; n <= 2; n += 1) pipeline.emit(scope, { event: 'tool_exec' });
    await eventually(() => expect(written).toHaveLength(2));
    const [first, second] = written;
    first!.answer({ status: 'stored', streamSeq: 1 });
    resume();
    second!.answer({ status: 'stored', streamSeq: 2 });
    await eventually(() => expect(written).toHaveLength(3));
    expect(written.slice(2)).toEqual([expect.objectContaining({ event: first!.event, again: true })]);
    written[2]!.answer({ status: 'stored', streamSeq: 1, duplicate: true });
    await pipeline.shutdown(0);
  });

  it('leaves what the sink has not taken to the next process, and says so', async () => {
    const directory = newDirectory();
    const journal = journalIn(directory);
    const pipeline = createAuditPipeline({ producer: 'svc', sink: gateSink(), journal });
    const scope = newScope();
    for (let n = 0; n < 100; n += 1) pipeline.emit(scope, { event: 'tool_exec' });
    await pipeline.shutdown(100);
    // It lets go of its folder even after the deadline.
    await journal.close();
    const sink = memorySink();
    const next = pipelineWith({ sink, journal: journalIn(directory) });
    await eventually(() => expect(eventsOf(sink, scope.run.id)).toHaveLength(100));
    // It ended in order, but without an end of that run.
    await eventually(() => expect(namesOf(sink)).toContain('run_abandoned'));
    expect(eventsOf(sink, pipeline.instance.run.id)).toMatchObject([{ fields: { final: true } }]);
    await next.shutdown();
    assertLedger(sink.records);
  });
});

describe('emitDurable', () => {
  it('waits for the disk with a journal, for the sink without one, and not longer than the deadline', async () => {
    const gate = gateSink();
    const journaled = pipelineWith({ sink: gate, journal: journalIn(newDirectory()) });
    const scope = newScope();
    expect(await journaled.emitDurable(scope, { event: 'payment' })).toBe(`${scope.run.id}:1`);
    const notDurable = expect.objectContaining({ code: 'SPANLEDGER_NOT_DURABLE' }) as Error;
    const late = journaled.emitDurable(scope, { event: 'payment' }, { durable: 'acknowledged', deadlineMs: 50 });
    await expect(late).rejects.toEqual(notDurable);
    const sink = memorySink({ maxEvents: 1 });
    const direct = pipelineWith({ sink });
    expect(await direct.emitDurable(newScope(), { event: 'payment' })).toMatch(/:1$/);
    await expect(direct.emitDurable(newScope(), { event: 'payment' })).rejects.toEqual(notDurable);
    await expect(direct.emitDurable(newScope(), { event: 'payment' }, { durable: 'journal' })).rejects.toEqual(
      notDurable,
    );
    gate.open();
    expect(await journaled.emitDurable(scope, { event: 'payment' }, { durable: 'acknowledged' })).toMatch(/:3$/);
  });
});

describe('emitDurable in an outage', () => {
  it('holds nothing for those whose deadline has passed', async () => {
    v8.setFlagsFromString('--expose-gc');
    const collectGarbage = vm.runInNewContext('gc') as () => void;
    const journal = journalIn(newDirectory());
    const append = journal.append.bind(journal);
    const sealed: WeakRef<Uint8Array>[] = [];
    journal.append = (event) => {
      sealed.push(new WeakRef(event.bytes));
      return append(event);
    };
    const pipeline = pipelineWith({ sink: gateSink(), journal, queueMaxBytes: MIB });
    const scope = newScope();
    const input = { event: 'payment', fields: { pad: 'x'.repeat(1_000) } };
    for (let round = 0; round < 50; round += 1) {
      const late = Array.from({ length: 200 }, () =>
        pipeline.emitDurable(scope, input, { durable: 'acknowledged', deadlineMs: 5 }),
      );
      await Promise.allSettled(late);
    }
    await journal.whenDurable(journal.position);
    await new Promise((resolve) => setTimeout(resolve, 20));
    collectGarbage();
    const held = sealed.reduce((sum, ref) => sum + (ref.deref()?.length ?? 0), 0);
    // The queue's, and the newest that wait beside it.
    expect(held).toBeLessThan(4 * MIB);
    expect(unacknowledgedOf(pipeline)).toBe(10_000);
  });
});

describe('shutdown', () => {
  it.each(['never ends', 'rejects'])(
    'keeps its deadline and closes the journal if closing the sink %s',
    async (how) => {
      const stored = memorySink();
      const close = (): Promise<void> =>
        how === 'rejects' ? Promise.reject(new Error('no manners')) : new Promise(() => {});
      const journal = journalIn(newDirectory());
      const closed = vi.spyOn(journal, 'close');
      const pipeline = createAuditPipeline({ producer: 'svc', sink: { ...stored, close }, journal });
      pipeline.emit(newScope(), { event: 'tool_exec' });
      await pipeline.shutdown(1_000);
      expect(closed).toHaveBeenCalledOnce();
      expect(namesOf(stored)).toEqual(['tool_exec', 'audit_checkpoint']);
    },
  );
});

describe('checkpoints', () => {
  it('name each run once, up to what is in the sink, and never before it is', async () => {
    const sink = memorySink();
    const pipeline = pipelineWith({ sink, journal: journalIn(newDirectory()) });
    const scopes = Array.from({ length: 900 }, () => newScope());
    for (let n = 0; n < 4_500; n += 1) pipeline.emit(scopes[n % 900]!, { event: 'tool_exec' });
    await pipeline.shutdown();
    const named = checkpointed(sink);
    for (const { run } of scopes) expect(named.get(run.id)).toEqual({ seq: run.chain.seq, hash: run.chain.head });
    const sizes = eventsOf(sink).flatMap(({ fields }) => (fields?.['runs'] as unknown[] | undefined)?.length ?? []);
    expect(Math.max(...sizes)).toBe(200);
    expect(
      eventsOf(sink).filter(({ event, fields }) => event === 'audit_checkpoint' && fields?.['final']),
    ).toHaveLength(1);
  });

  it('come in time, also for few events, and not at all where nothing happens or nothing is stored', async () => {
    const sink = gateSink();
    const pipeline = pipelineWith({ sink, journal: journalIn(newDirectory()), checkpointIntervalMs: 100 });
    await new Promise((resolve) => setTimeout(resolve, 350));
    const scope = newScope();
    pipeline.emit(scope, { event: 'tool_exec' });
    await new Promise((resolve) => setTimeout(resolve, 350));
    expect(unacknowledgedOf(pipeline)).toBe(1);
    sink.open();
    await eventually(() => expect(checkpointed(sink.stored).has(scope.run.id)).toBe(true));
  });

  it('name no run past an event that is still on its way', async () => {
    const stored = memorySink();
    const scope = newScope();
    let letGo = (): void => {};
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const sink: AuditSink = {
      ...stored,
      async writeEvent(event) {
        if (event.runId === scope.run.id && event.seq === 2) await held;
        return stored.writeEvent(event);
      },
    };
    const pipeline = pipelineWith({ sink, checkpointIntervalMs: 100 });
    for (let n = 0; n < 5; n += 1) pipeline.emit(scope, { event: 'tool_exec' });
    await eventually(() => expect(checkpointed(stored).get(scope.run.id)?.seq).toBe(1));
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(checkpointed(stored).get(scope.run.id)?.seq).toBe(1);
    letGo();
    await eventually(() => expect(checkpointed(stored).get(scope.run.id)?.seq).toBe(5));
  });

  it('name no run past an event that failed, until that is stored, and go on for the others', async () => {
    const stored = memorySink();
    const [failing, other] = [newScope(), newScope()];
    let tries = 0;
    let triesAtFirst: number | undefined;
    let letGo = (): void => {};
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const sink: AuditSink = {
      ...stored,
      async writeEvent(event) {
        if (parseEvent(event.bytes)?.event === 'audit_checkpoint') triesAtFirst ??= tries;
        if (event.runId === failing.run.id && event.seq === 2) {
          tries += 1;
          if (tries === 1) return { status: 'failed', error: new Error('once') };
          await held;
        }
        return stored.writeEvent(event);
      },
    };
    const pipeline = pipelineWith({ sink, journal: journalIn(newDirectory()), checkpointIntervalMs: 100 });
    for (let n = 0; n < 5; n += 1) pipeline.emit(failing, { event: 'tool_exec' });
    pipeline.emit(other, { event: 'tool_exec' });
    await eventually(() => expect(checkpointed(stored).get(other.run.id)?.seq).toBe(1));
    expect(triesAtFirst).toBe(1);
    // It is on its way again, and what was named before need not be named once more.
    await eventually(() => expect(tries).toBe(2));
    pipeline.emit(other, { event: 'tool_exec' });
    await eventually(() => expect(checkpointed(stored).get(other.run.id)?.seq).toBe(2));
    expect(checkpointed(stored).get(failing.run.id)?.seq).toBe(1);
    letGo();
    await eventually(() => expect(checkpointed(stored).get(failing.run.id)?.seq).toBe(5));
  });
});

describe('a journal that is turned off', () => {
  it('leaves no file', async () => {
    const directory = newDirectory();
    const pipeline = pipelineWith({ sink: memorySink() });
    pipeline.emit(newScope(), { event: 'tool_exec' });
    await pipeline.shutdown();
    expect(readdirSync(directory)).toEqual([]);
  });
});

/** Of the application's events: after some seconds in which nothing is stored, the process tells of that as well. */
function unacknowledgedOf(pipeline: AuditPipeline): number {
  return pipeline.health().journal!.unacknowledged - pipeline.instance.run.chain.seq;
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

/** What is named, and that it was there before. */
function checkpointed(sink: MemorySink): Map<string, { seq: number; hash: string }> {
  const named = new Map<string, { seq: number; hash: string }>();
  const heads = new Map<string, string>();
  for (const [i, event] of eventsOf(sink).entries()) {
    heads.set(`${event.run_id}:${event.seq}`, sha256(sink.records[i]!.bytes));
    const runs = (event.fields?.['runs'] ?? []) as { run_id: string; last_seq: number; head_hash: string }[];
    for (const { run_id, last_seq, head_hash } of runs) {
      expect(heads.get(`${run_id}:${last_seq}`)).toBe(head_hash);
      expect(named.get(run_id)?.seq ?? 0).toBeLessThan(last_seq);
      named.set(run_id, { seq: last_seq, hash: head_hash });
    }
  }
  return named;
}
