import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { diag } from '@opentelemetry/api';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { WorkflowSpanProcessor } from '@spanledger/otel';
import { LEDGER_EVENTS, REPORT_EVENTS, TERMINAL_EVENTS, eventId } from '@spanledger/protocol';
import type { AuditSink, WriteOutcome } from '@spanledger/protocol';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createEventBus } from '../../src/bus.ts';
import type { BusEvent, EventBus } from '../../src/bus.ts';
import { AuditSpanProcessor, audit, createAuditPipeline, memorySink, openJournal, workflow } from '../../src/index.ts';
import { registeredPipelines } from '../registered-pipeline.ts';
import { eventsOf, gateSink, newScope } from '../support.ts';
import { names, numbers, readAll } from './support.ts';

const { begin } = registeredPipelines();
afterEach(() => diag.disable());

/** A bus that notes what it is given, and what it is asked. */
function notingBus({ listening = true, fails = false } = {}) {
  const published: BusEvent[] = [];
  const asked: string[] = [];
  const bus: EventBus = {
    ...createEventBus(),
    wants: (name) => {
      asked.push(name);
      return listening;
    },
    publish: (event) => {
      published.push(event);
      if (fails) throw new Error('the bus is broken');
      return { delivered: 1, dropped: 0 };
    },
  };
  return { bus, published, asked };
}

/** Answers each write as `answer` says, in the order of the writes. */
function answeringSink(answer: (n: number) => WriteOutcome): AuditSink {
  let n = 0;
  return { name: 'answering', writeEvent: () => Promise.resolve(answer(n++)), close: async () => {} };
}

describe('what happens in a service reaches its bus', () => {
  it('as spans, steps, and single events, each once, in the order of the ledger', async () => {
    const bus = createEventBus();
    const sink = memorySink();
    const pipeline = begin({ sink, bus });
    const tracing = new NodeTracerProvider({
      spanProcessors: [
        new WorkflowSpanProcessor(),
        new AuditSpanProcessor({ pipeline, rules: [{ when: { name: 'charge' }, event: 'payment' }] }),
      ],
    });
    const tracer = tracing.getTracer('test');
    let runId = '';
    let heard: Promise<unknown[]> = Promise.resolve([]);
    await workflow.run({ executionId: 'ex' }, async (run) => {
      audit.emit({ event: 'first' });
      runId = pipelineRunId(sink, await audit.write({ event: 'second' }));
      heard = readAll(bus.subscribe({ taskId: runId }));
      await run.step('s', async () => {
        tracer.startSpan('charge').end();
        await audit.guard({ event: 'transfer' }, () => undefined);
      });
    });
    await pipeline.flush();
    const stored = eventsOf(sink, runId);
    const after = stored.slice(stored.findIndex(({ event }) => event === 'second') + 1);
    expect(after.map(({ event }) => event)).toEqual([
      'workflow_step_started',
      'payment',
      'transfer_started',
      'transfer',
      'workflow_step_completed',
      'workflow_complete',
    ]);
    const last = { type: 'event', event: after.at(-1), terminal: true };
    expect(await heard).toEqual([...after.slice(0, -1).map((event) => ({ type: 'event', event })), last]);
    await tracing.shutdown();
  });

  it('when the sink has stored it, and not before', async () => {
    const bus = createEventBus();
    const sink = gateSink();
    const pipeline = begin({ sink, bus });
    const scope = newScope();
    const first = bus.subscribe({ taskId: scope.run.id }).next();
    let heard = false;
    void first.then(() => (heard = true));
    let storedFirst: boolean | undefined;
    pipeline.emit(scope, { event: 'tool_exec' }, () => (storedFirst = !heard));
    await expect.poll(() => sink.started, { timeout: 120_000, interval: 1 }).toBeGreaterThan(0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(heard).toBe(false);
    sink.open();
    expect(await first).toMatchObject({ value: { event: { event: 'tool_exec', seq: 1 } } });
    expect(storedFirst).toBe(true);
    expect(sink.stored.records).toHaveLength(1);
  });

  it('by the task that it names, else by its run; also in the form of Forge', async () => {
    const bus = createEventBus();
    const pipeline = begin({ sink: memorySink(), bus, envelope: 'forge-1.0' });
    const scope = newScope();
    const [task, run] = [bus.subscribe({ taskId: 't' }), bus.subscribe({ taskId: scope.run.id })];
    pipeline.emit(scope, { event: 'one', taskId: 't', sessionId: 's' });
    pipeline.emit(scope, { event: 'two' });
    await pipeline.flush();
    bus.close();
    expect(await readAll(task)).toMatchObject([{ event: { event: 'one', session_id: 's', run_id: scope.run.id } }]);
    expect(names(await readAll(run))).toEqual(['two']);
  });
});

describe('what does not reach the bus', () => {
  it('is what the sink refused or failed: every outcome at every place', async () => {
    const outcomes: WriteOutcome[] = [
      { status: 'stored' },
      { status: 'refused', error: new Error('no') },
      { status: 'stored', duplicate: true },
      { status: 'failed', error: new Error('gone') },
      { status: 'stored' },
    ];
    const { bus, published } = notingBus();
    const pipeline = begin({ sink: answeringSink((n) => outcomes[n] ?? { status: 'stored' }), bus });
    const scope = newScope();
    outcomes.forEach((_, n) => pipeline.emit(scope, { event: 'tool_exec', fields: { n } }));
    await pipeline.flush();
    await pipeline.shutdown();
    expect(published.map(({ fields }) => fields?.['n'])).toEqual([0, 2, 4]);
  });

  it('is what the ledger says of itself, but for the marker of a new attempt', async () => {
    const { bus, published, asked } = notingBus();
    const sink = memorySink();
    const pipeline = begin({ sink, bus });
    for (const event of LEDGER_EVENTS) pipeline.emit(newScope(), { event });
    pipeline.emit(newScope(), { event: 'tool_exec' });
    await pipeline.flush();
    await pipeline.shutdown();
    expect(eventsOf(sink).map(({ event }) => event)).toEqual(expect.arrayContaining([...REPORT_EVENTS]));
    expect(published.map(({ event }) => event)).toEqual(['stream_rewind', 'tool_exec']);
    expect(asked).toEqual(['stream_rewind', 'tool_exec']);
  });

  it('is what was stored before, and is written again because the stream went backwards', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'spanledger-bus-'));
    const { bus, published } = notingBus();
    const stored = memorySink();
    let resume = (): void => {};
    let again = 0;
    const sink: AuditSink = {
      name: 'resuming',
      writeEvent: (event, options) => {
        if (options?.again) again += 1;
        return stored.writeEvent(event);
      },
      onResume: (listener) => {
        resume = listener;
      },
      close: () => stored.close(),
    };
    const pipeline = begin({ sink, bus, journal: openJournal({ directory, producer: 'svc' }) });
    pipeline.emit(newScope(), { event: 'tool_exec' });
    await pipeline.flush();
    expect(published).toHaveLength(1);
    resume();
    await expect.poll(() => again, { timeout: 120_000 }).toBeGreaterThan(0);
    await pipeline.flush();
    expect(published).toHaveLength(1);
    await pipeline.shutdown();
    await rm(directory, { recursive: true });
  });

  it('is a chunk that somebody tries to record: the application publishes it itself', async () => {
    const bus = createEventBus();
    const pipeline = begin({ sink: memorySink(), bus });
    const chunks = bus.subscribe({ taskId: 't', chunks: true });
    const chunk = { event: 'request.text_chunk', taskId: 't' };
    const refusal = expect.objectContaining({ code: 'SPANLEDGER_EVENT' });
    expect(() => audit.emit(chunk)).toThrow(refusal);
    await expect(audit.write(chunk)).rejects.toEqual(refusal);
    await expect(audit.guard(chunk, () => undefined)).rejects.toEqual(refusal);
    await pipeline.flush();
    expect(bus.publish({ event: chunk.event, task_id: 't' })).toEqual({ delivered: 1, dropped: 0 });
    bus.close();
    expect(names(await readAll(chunks))).toEqual([chunk.event]);
  });
});

describe('a bus costs the pipeline', () => {
  it('no parsing while nobody listens, but for what ends a task', async () => {
    const bus = createEventBus();
    const publish = vi.spyOn(bus, 'publish');
    const pipeline = begin({ sink: memorySink(), bus });
    const scope = newScope();
    pipeline.emit(scope, { event: 'tool_exec' });
    for (const event of TERMINAL_EVENTS) pipeline.emit(newScope(), { event });
    await pipeline.flush();
    expect(publish.mock.calls.map(([event]) => event.event)).toEqual(TERMINAL_EVENTS);
    const listener = bus.subscribe({ taskId: 'another' });
    pipeline.emit(scope, { event: 'tool_exec' });
    await pipeline.flush();
    expect(publish).toHaveBeenCalledTimes(TERMINAL_EVENTS.length + 1);
    listener.close();
    bus.close();
    pipeline.emit(scope, { event: 'invocation_complete' });
    await pipeline.flush();
    expect(publish).toHaveBeenCalledTimes(TERMINAL_EVENTS.length + 1);
  });

  it('keeps track of finished tasks that nobody had listened to', async () => {
    const bus = createEventBus();
    const pipeline = begin({ sink: memorySink(), bus });
    const scope = newScope();
    pipeline.emit(scope, { event: 'invocation_cancelled' });
    await pipeline.flush();
    expect(() => bus.subscribe({ taskId: scope.run.id })).toThrow(
      expect.objectContaining({ code: 'SPANLEDGER_UNKNOWN_TASK' }),
    );
  });

  it('one line of the log when it throws, and nothing else', async () => {
    const warn = vi.fn<(...args: unknown[]) => void>();
    const quiet = vi.fn<(...args: unknown[]) => void>();
    diag.setLogger({ warn, error: quiet, info: quiet, debug: quiet, verbose: quiet });
    const { bus, published } = notingBus({ fails: true });
    const sink = memorySink();
    const pipeline = begin({ sink, bus });
    const outcomes = await Promise.all([1, 2, 3].map(() => audit.write({ event: 'tool_exec' })));
    expect(outcomes).toHaveLength(3);
    expect(eventsOf(sink)).toHaveLength(3);
    expect(published).toHaveLength(3);
    expect(warn.mock.calls.filter((line) => line.join(' ').includes('event bus'))).toHaveLength(1);
    expect(pipeline.health().losses.events).toBe(0);
  });

  it('nothing at its shutdown: the bus stays open, for whoever else publishes', async () => {
    const bus = createEventBus();
    const pipeline = begin({ sink: memorySink(), bus });
    await pipeline.shutdown();
    bus.subscribe({ taskId: 't' });
    expect(bus.publish({ event: 'tool_exec', task_id: 't' }).delivered).toBe(1);
  });
});

describe('an event that is published twice', () => {
  it('is delivered once, and not counted as dropped', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: 't' });
    const publish = (seq: number, run_id = 'r') => bus.publish({ event: 'tool_exec', task_id: 't', run_id, seq });
    for (const seq of [1, 2, 4]) publish(seq);
    // All of it once more: from a second bridge, that is behind.
    for (const seq of [1, 2, 4]) expect(publish(seq)).toEqual({ delivered: 0, dropped: 0 });
    expect(publish(3)).toEqual({ delivered: 0, dropped: 1 });
    expect(publish(3)).toEqual({ delivered: 0, dropped: 0 });
    expect(publish(1, 'other')).toEqual({ delivered: 1, dropped: 0 });
    bus.close();
    expect(numbers(await readAll(subscription))).toEqual([1, 2, 4, '-1', 1]);
  });

  it('is known for 1,024 numbers back, past 2^53 as well; an older one is told as missing', () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: 't', buffer: 10_000 });
    const base = 2n ** 60n;
    const publish = (n: number) =>
      bus.publish({ event: 'tool_exec', task_id: 't', run_id: 'r', seq: `${base + BigInt(n)}` as never });
    for (let n = 0; n <= 1_024; n += 1) publish(n);
    expect(publish(1)).toEqual({ delivered: 0, dropped: 0 });
    expect(publish(0)).toEqual({ delivered: 0, dropped: 1 });
    publish(5_000);
    expect(publish(5_000)).toEqual({ delivered: 0, dropped: 0 });
    expect(publish(4_999)).toEqual({ delivered: 0, dropped: 1 });
    subscription.close();
  });
});

it.each([{}, { publish: () => {} }, null, 'bus'])('what is no bus is refused: %o', (bus) => {
  expect(() => createAuditPipeline({ producer: randomUUID(), sink: memorySink(), bus: bus as never })).toThrow(
    expect.objectContaining({ code: 'SPANLEDGER_OPTION' }),
  );
});

function pipelineRunId(sink: ReturnType<typeof memorySink>, id: string): string {
  const event = eventsOf(sink).find(({ run_id: runId, seq }) => eventId({ runId, seq }) === id);
  return event?.run_id ?? '';
}
