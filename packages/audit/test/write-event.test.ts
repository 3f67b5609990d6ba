import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventId } from '@spanledger/protocol';
import type { AuditSink } from '@spanledger/protocol';
import { assertLedger, assertValidEvents } from '@spanledger/testkit';
import { describe, expect, it } from 'vitest';
import { audit, getPipeline, memorySink, openJournal, workflow } from '../src/index.ts';
import { registeredPipelines } from './registered-pipeline.ts';
import { eventsOf, gateSink } from './support.ts';

const { begin, leave } = registeredPipelines();

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('audit.write', () => {
  it('resolves once the sink has stored the event, in the step that it is called in', async () => {
    const sink = gateSink();
    begin({ sink });
    let resolved = false;
    const written = workflow.run({ executionId: 'ex' }, (run) =>
      run.step('s', () => audit.write({ event: 'task_accepted', taskId: 't-1', fields: { n: 2n ** 60n } })),
    );
    void written.then(() => (resolved = true));
    await expect.poll(() => sink.started, { timeout: 120_000, interval: 1 }).toBeGreaterThan(0);
    await turn();
    expect(resolved).toBe(false);
    sink.open();
    const id = await written;
    await getPipeline()?.flush();
    assertLedger(sink.stored.records);
    assertValidEvents(sink.stored.records);
    const event = eventsOf(sink.stored).find((one) => one.event === 'task_accepted')!;
    expect(event).toMatchObject({ workflow_execution_id: 'ex', step_id: 's', task_id: 't-1' });
    expect(event.fields).toEqual({ n: '1152921504606846976' });
    expect(id).toBe(eventId({ runId: event.run_id, seq: event.seq }));
  });

  it('records in the order of the calls, also those that nobody awaits in turn', async () => {
    const sink = memorySink();
    begin({ sink });
    await workflow.run({}, () =>
      Promise.all(
        Array.from({ length: 300 }, (_, n) => audit.write({ event: 'progress', taskId: 't', fields: { n } })),
      ),
    );
    const numbers = eventsOf(sink).flatMap(({ event, fields }) => (event === 'progress' ? [fields?.['n']] : []));
    expect(numbers).toEqual(Array.from({ length: 300 }, (_, n) => n));
  });

  it('resolves once the event is on the disk, where there is a journal, whatever the sink does', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'spanledger-write-'));
    const journal = openJournal({ directory, producer: 'svc' });
    const sink = gateSink();
    begin({ sink, journal });
    await audit.write({ event: 'task_accepted' });
    expect(journal.stats.notDurable).toBe(0);
    expect(sink.stored.records).toEqual([]);
    sink.open();
    await getPipeline()?.shutdown();
    await rm(directory, { recursive: true });
  });

  it('fails with SPANLEDGER_NO_SINK where Spanledger is not started', async () => {
    await expect(audit.write({ event: 'task_accepted' })).rejects.toMatchObject({ code: 'SPANLEDGER_NO_SINK' });
  });

  it('fails with SPANLEDGER_SINK_CLOSED after the shutdown', async () => {
    begin({ sink: memorySink() });
    await getPipeline()?.shutdown();
    await expect(audit.write({ event: 'task_accepted' })).rejects.toMatchObject({ code: 'SPANLEDGER_SINK_CLOSED' });
  });

  it('fails with SPANLEDGER_SINK_CLOSED if the sink was closed before it was stored', async () => {
    const sink = memorySink();
    await sink.close();
    begin({ sink });
    await expect(audit.write({ event: 'task_accepted' })).rejects.toMatchObject({ code: 'SPANLEDGER_SINK_CLOSED' });
  });

  it('fails with SPANLEDGER_SINK_BACKPRESSURE if the sink has no room', async () => {
    begin({ sink: memorySink({ maxEvents: 0 }) });
    const error = { code: 'SPANLEDGER_SINK_BACKPRESSURE', message: 'the memory sink is full: it holds 0 events' };
    await expect(audit.write({ event: 'task_accepted' })).rejects.toMatchObject(error);
  });

  it('fails with SPANLEDGER_SINK_BACKPRESSURE if the queue has no room, and every event of it is accounted for', async () => {
    const COUNT = 120;
    const sink = gateSink();
    begin({ sink, queueMaxBytes: 1024 * 1024 });
    const parts = Object.fromEntries(Array.from({ length: 14 }, (_, n) => [`part_${n}`, 'x'.repeat(1_000)]));
    const written = Array.from({ length: COUNT }, () =>
      audit.write({ event: 'big', fields: parts, deadlineMs: Infinity }),
    );
    const outcomes = Promise.allSettled(written);
    sink.open();
    const results = await outcomes;
    const codes = results.flatMap((result) =>
      result.status === 'rejected' ? [(result.reason as { code: string }).code] : [],
    );
    expect(codes.length).toBeGreaterThan(0);
    expect(codes.length).toBeLessThan(COUNT);
    expect(new Set(codes)).toEqual(new Set(['SPANLEDGER_SINK_BACKPRESSURE']));
    await expect.poll(() => getPipeline()?.health().losses.unreported, { timeout: 120_000 }).toBe(0);
    await getPipeline()?.flush();
    const stored = eventsOf(sink.stored);
    const lost = stored.filter(({ event }) => event === 'audit_loss').map(({ fields }) => Number(fields?.['count']));
    expect(lost.reduce((sum, count) => sum + count, 0)).toBe(codes.length);
    expect(stored.filter(({ event }) => event === 'big')).toHaveLength(COUNT - codes.length);
  });

  it('fails with SPANLEDGER_NOT_DURABLE, and the cause, when the deadline passes or the sink refuses it', async () => {
    const error = new Error('denied');
    const refusing: AuditSink = {
      name: 'refusing',
      writeEvent: async () => ({ status: 'refused', error }),
      close: async () => {},
    };
    begin({ sink: refusing });
    const refused = { code: 'SPANLEDGER_NOT_DURABLE', cause: error };
    await expect(audit.write({ event: 'task_accepted' })).rejects.toMatchObject(refused);
    leave();
    begin({ sink: gateSink() });
    const late = audit.write({ event: 'task_accepted', deadlineMs: 20 });
    await expect(late).rejects.toMatchObject({ code: 'SPANLEDGER_NOT_DURABLE', message: /deadline of 20 ms/ });
  });

  it('fails with SPANLEDGER_PAYLOAD for fields that hold themselves, and writes nothing, where audit.emit writes a mark', async () => {
    const sink = memorySink();
    begin({ sink });
    const fields: Record<string, unknown> = { list: [1] };
    (fields['list'] as unknown[]).push({ fields });
    await expect(audit.write({ event: 'tool_exec', fields })).rejects.toMatchObject({ code: 'SPANLEDGER_PAYLOAD' });
    audit.emit({ event: 'tool_exec', fields });
    await getPipeline()?.flush();
    const written = eventsOf(sink).filter(({ event }) => event === 'tool_exec');
    expect(written.map((event) => event.fields)).toEqual([{ list: [1, { fields: '[cyclic]' }] }]);
  });

  it('asks for the name of the event once: nobody gets one of the ledger’s own past the check', async () => {
    const sink = memorySink();
    begin({ sink });
    let asked = 0;
    const options = {
      get event() {
        return asked++ === 0 ? 'payment' : 'audit_loss';
      },
    };
    await audit.write(options);
    expect(eventsOf(sink).map(({ event }) => event)).toEqual(['payment']);
  });

  it.each([
    ['nothing', async () => undefined],
    ['what is no outcome', async () => ({ status: 'done' })],
  ])('fails, and harms nothing else, where a sink answers with %s', async (_, answer) => {
    const careless = { ...memorySink(), writeEvent: answer, writeTranscript: answer } as never;
    begin({ sink: careless });
    const failed = { code: 'SPANLEDGER_NOT_DURABLE', cause: { message: 'the sink answered with no outcome' } };
    await expect(audit.write({ event: 'payment' })).rejects.toMatchObject(failed);
    await expect(audit.writeTranscript({ kind: 'input', taskId: 't', content: 'x' })).rejects.toMatchObject(failed);
    expect(getPipeline()?.health().sink).toMatchObject({ healthy: false });
  });

  it.each([
    ['SPANLEDGER_EVENT', { event: 'audit_loss' }],
    ['SPANLEDGER_EVENT', { event: 'Task' }],
    ['SPANLEDGER_OPTION', { event: 'task_accepted', deadlineMs: 0 }],
    ['SPANLEDGER_OPTION', { event: 'task_accepted', durable: 'disk' as never }],
  ])('fails with %s for %j before anything is recorded', async (code, options) => {
    const sink = memorySink();
    begin({ sink });
    await expect(audit.write(options)).rejects.toMatchObject({ code });
    await getPipeline()?.flush();
    expect(sink.records).toEqual([]);
  });
});
