import { getEventListeners } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { SpanStatusCode, context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import type { AuditEvent } from '@spanledger/protocol';
import { assertLedger, assertValidEvents } from '@spanledger/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  AuditSpanProcessor,
  audit,
  createAuditPipeline,
  genai,
  getPipeline,
  http,
  memorySink,
  openJournal,
  registerPipeline,
  workflow,
} from '../src/index.ts';
import type { Durability, Journal, StepOptions, WorkflowRun } from '../src/index.ts';
import { eventsOf, gateSink } from './support.ts';
import type { GateSink } from './support.ts';

const exporter = new InMemorySpanExporter();
let sink: GateSink;
let unregister = (): void => {};

function begin(options: { journal?: Journal } = {}): void {
  sink = gateSink();
  const pipeline = createAuditPipeline({ producer: 'svc', sink, ...options });
  unregister = registerPipeline(pipeline);
  // What a service has as a rule: whatever it designates beside the calls under test would be doubled.
  const designator = new AuditSpanProcessor({ pipeline, rules: [genai(), http()] });
  trace.disable();
  trace.setGlobalTracerProvider(
    new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter }), designator] }),
  );
}

beforeAll(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
afterAll(() => {
  trace.disable();
  context.disable();
});
beforeEach(() => {
  exporter.reset();
  begin();
});
afterEach(end);

async function end(): Promise<void> {
  const pipeline = getPipeline();
  unregister();
  sink.open();
  await pipeline?.shutdown();
}

/** Lets the sink store, and reads what it has. */
async function events(): Promise<AuditEvent[]> {
  sink.open();
  await getPipeline()?.flush();
  assertLedger(sink.stored.records);
  assertValidEvents(sink.stored.records);
  return eventsOf(sink.stored);
}

const names = (all: readonly AuditEvent[]): string[] => all.map(({ event }) => event);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** An action that counts how often it has been begun. */
function counted() {
  const action = { begun: 0, fn: () => `done ${(action.begun += 1)}` };
  return action;
}

/** Waits until the sink has been given this many events, which it keeps waiting. */
async function offered(count: number): Promise<void> {
  await expect.poll(() => sink.started, { timeout: 120_000, interval: 1 }).toBeGreaterThanOrEqual(count);
  // Whatever does not wait for the sink has its turn.
  await turn();
}

/** The two ways to ask for it, as one call. */
const ways: [string, (options: Durability, fn: () => unknown, signal?: AbortSignal) => Promise<unknown>, string[]][] = [
  [
    'run.step',
    (failClosed, fn, signal) => workflow.run({ ...(signal && { signal }) }, (run) => run.step('s', { failClosed }, fn)),
    ['workflow_step_started', 'workflow_step_completed', 'workflow_step_failed', 'workflow_step_failed'],
  ],
  [
    'audit.guard',
    (durability, fn, signal) => audit.guard({ event: 'payment', ...durability, ...(signal && { signal }) }, fn),
    ['payment_started', 'payment', 'payment_failed', 'payment_cancelled'],
  ],
];

describe.each(ways)('%s, fail-closed', (_name, call, [started, completed, failed, cancelled]) => {
  const ofAction = (all: readonly AuditEvent[]): AuditEvent[] =>
    all.filter(({ event }) => [started, completed, failed, cancelled].includes(event));

  it.each<Durability>([{}, { durable: 'acknowledged' }])('begins once the sink has the start (%j)', async (options) => {
    const action = counted();
    const done = call(options, action.fn);
    await offered(1);
    expect(action.begun).toBe(0);
    sink.open();
    expect(await done).toBe('done 1');
    expect(action.begun).toBe(1);
    expect(names(ofAction(await events()))).toEqual([started, completed]);
  });

  it('is not begun when the deadline passes, and the ledger says so', async () => {
    const action = counted();
    await expect(call({ deadlineMs: 20 }, action.fn)).rejects.toMatchObject({ code: 'SPANLEDGER_NOT_DURABLE' });
    expect(action.begun).toBe(0);
    const [start, finish, ...more] = ofAction(await events());
    expect([start?.event, finish?.event, more]).toEqual([started, failed, []]);
    expect(finish?.fields).toMatchObject({
      not_begun: true,
      status: 'error',
      error_code: 'SPANLEDGER_NOT_DURABLE',
      error_type: 'SpanledgerError',
    });
    expect(exporter.getFinishedSpans()[0]?.status.code).toBe(SpanStatusCode.ERROR);
  });

  it('is not begun when the sink refuses the start', async () => {
    await end();
    const full = memorySink({ maxEvents: 1 });
    const pipeline = createAuditPipeline({ producer: 'svc', sink: full });
    unregister = registerPipeline(pipeline);
    audit.emit({ event: 'boot' });
    await pipeline.flush();
    const action = counted();
    await expect(call({}, action.fn)).rejects.toMatchObject({
      code: 'SPANLEDGER_NOT_DURABLE',
      cause: { code: 'SPANLEDGER_SINK_BACKPRESSURE' },
    });
    expect(action.begun).toBe(0);
  });

  it('is not begun where Spanledger is not started, or is shut down', async () => {
    const action = counted();
    const refused = { code: 'SPANLEDGER_NOT_DURABLE' };
    await getPipeline()?.shutdown();
    await expect(call({}, action.fn)).rejects.toMatchObject(refused);
    unregister();
    await expect(call({}, action.fn)).rejects.toMatchObject({ ...refused, cause: { code: 'SPANLEDGER_NOT_STARTED' } });
    expect(action.begun).toBe(0);
  });

  it('is not begun when it is aborted while it waits, and waits no longer', async () => {
    const controller = new AbortController();
    const reason = new Error('operator pressed stop');
    const action = counted();
    const done = call({ deadlineMs: Infinity }, action.fn, controller.signal);
    await offered(1);
    controller.abort(reason);
    await expect(done).rejects.toBe(reason);
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
    const [, finish, ...more] = ofAction(await events());
    expect(finish).toMatchObject({ event: cancelled, fields: { not_begun: true, status: 'cancelled' } });
    expect(more).toEqual([]);
    await turn();
    expect(action.begun).toBe(0);
  });

  it('is never begun under an aborted signal, however close it was', async () => {
    let begun = 0;
    const most = 60;
    for (let microtasks = 0; microtasks <= most; microtasks += 1) {
      await end();
      begin();
      const controller = new AbortController();
      const seen: boolean[] = [];
      const done = call({}, () => seen.push(controller.signal.aborted), controller.signal);
      await offered(1);
      sink.open();
      for (let n = 0; n < microtasks; n += 1) await Promise.resolve();
      if (microtasks === most) await done;
      controller.abort();
      await done.catch((error: unknown) => expect(error).toMatchObject({ name: 'AbortError' }));
      expect(seen).not.toContain(true);
      begun += seen.length;
    }
    expect(begun).toBeGreaterThan(0);
    expect(begun).toBeLessThan(most);
  });

  it('leaves nothing behind on a signal that outlives it', async () => {
    sink.open();
    const { signal } = new AbortController();
    for (let n = 0; n < 20; n += 1) await call({}, () => n, signal);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it.each([{ durable: 'disk' }, { deadlineMs: 0 }, { deadlineMs: Number.NaN }, { deadlineMs: '50' }] as never[])(
    'refuses %j before anything of it is recorded',
    async (options) => {
      const action = counted();
      await expect(call(options, action.fn)).rejects.toMatchObject({ code: 'SPANLEDGER_OPTION' });
      expect(action.begun).toBe(0);
      expect(ofAction(await events())).toEqual([]);
    },
  );
});

describe('with a journal', () => {
  let directory: string;
  let journal: Journal;

  beforeEach(async () => {
    await end();
    directory = await mkdtemp(path.join(tmpdir(), 'spanledger-fail-closed-'));
    journal = openJournal({ directory, producer: 'svc' });
    begin({ journal });
  });
  afterEach(async () => {
    await end();
    await rm(directory, { recursive: true, force: true });
  });

  it.each<[string, Durability]>([
    ['by default', {}],
    ['where the journal is asked for', { durable: 'journal' }],
  ])('an action begins once its start is on the disk, whatever the sink does, %s', async (_when, durability) => {
    const notDurable: number[] = [];
    await audit.guard({ event: 'payment', ...durability }, () => notDurable.push(journal.stats.notDurable));
    expect(notDurable).toEqual([0]);
    expect(sink.stored.records).toEqual([]);
    expect(names(await events())).toEqual(['payment_started', 'payment']);
  });

  it('an action that asks for the acknowledgement waits for it all the same', async () => {
    const action = counted();
    const done = audit.guard({ event: 'payment', durable: 'acknowledged' }, action.fn);
    await offered(1);
    await journal.whenDurable(journal.position);
    await turn();
    expect(action.begun).toBe(0);
    sink.open();
    expect(await done).toBe('done 1');
  });

  it('an action whose start the journal does not take is not begun', async () => {
    await journal.close();
    const action = counted();
    await expect(audit.guard({ event: 'payment' }, action.fn)).rejects.toMatchObject({
      code: 'SPANLEDGER_NOT_DURABLE',
    });
    expect(action.begun).toBe(0);
  });
});

it('a journal that is asked for and not there is an error', async () => {
  sink.open();
  const action = counted();
  await expect(audit.guard({ event: 'payment', durable: 'journal' }, action.fn)).rejects.toMatchObject({
    code: 'SPANLEDGER_NOT_DURABLE',
  });
  expect(action.begun).toBe(0);
});

describe('run.step', () => {
  /** Runs a workflow in which an error of a step is not its own. */
  async function inWorkflow(fn: (run: WorkflowRun) => Promise<unknown>): Promise<AuditEvent[]> {
    await workflow.run({}, (run) => fn(run));
    return (await events()).slice(1, -1);
  }

  it.each<StepOptions>([{}, { failClosed: false }])('with %j waits for nothing', async (options) => {
    await inWorkflow(async (run) => {
      const action = counted();
      const done = run.step('s', options, action.fn);
      expect(action.begun).toBe(1);
      await done;
    });
  });

  it.each(['journal', null, 1] as never[])('does not take failClosed: %j for no', async (failClosed) => {
    await inWorkflow(async (run) => {
      await expect(run.step('s', { failClosed }, () => 1)).rejects.toMatchObject({ code: 'SPANLEDGER_OPTION' });
    });
  });

  it('does not try a start again that was not durable, and can be entered again', async () => {
    const action = counted();
    const all = await inWorkflow(async (run) => {
      const options: StepOptions = { failClosed: { deadlineMs: 20 }, attempts: 3 };
      await expect(run.step('s', options, action.fn)).rejects.toMatchObject({ code: 'SPANLEDGER_NOT_DURABLE' });
      sink.open();
      expect(await run.step('s', { failClosed: true }, action.fn)).toBe('done 1');
    });
    expect(all.map(({ event, attempt_epoch }) => `${event} ${attempt_epoch}`)).toEqual([
      'workflow_step_started 1',
      'workflow_step_failed 1',
      'stream_rewind 2',
      'workflow_step_started 2',
      'workflow_step_completed 2',
    ]);
  });

  it('waits for the start of every try', async () => {
    sink.open();
    const stored: (string | undefined)[] = [];
    const all = await inWorkflow((run) =>
      run.step('s', { failClosed: true, attempts: 2 }, ({ attempt }) => {
        stored.push(eventsOf(sink.stored).at(-1)?.event);
        if (attempt === 1) throw new Error('once');
      }),
    );
    expect(stored).toEqual(['workflow_step_started', 'workflow_step_started']);
    expect(names(all)).toEqual([
      'workflow_step_started',
      'workflow_step_failed',
      'stream_rewind',
      'workflow_step_started',
      'workflow_step_completed',
    ]);
    expect(all[1]?.fields).not.toHaveProperty('not_begun');
  });

  it('is not begun when the step around it has ended meanwhile', async () => {
    const action = counted();
    let inner: Promise<unknown> | undefined;
    const all = await inWorkflow(async (run) => {
      await run.step('outer', async () => {
        inner = run.step('inner', { failClosed: true }, action.fn).catch((error: unknown) => error);
        await offered(3);
      });
    });
    expect(await inner).toMatchObject({ name: 'AbortError' });
    expect(action.begun).toBe(0);
    expect(all.map(({ event, step_id }) => `${event} ${step_id}`)).toEqual([
      'workflow_step_started outer',
      'workflow_step_started inner',
      'workflow_step_failed inner',
      'workflow_step_completed outer',
    ]);
    expect(all[1]?.fields).toEqual({ parent: { step_id: 'outer', attempt_epoch: 1 } });
    expect(all[2]?.fields).toMatchObject({ not_begun: true, status: 'cancelled' });
  });
});

describe('audit.guard', () => {
  beforeEach(() => sink.open());

  it('is in the run and step around it, and has a span that the action is in', async () => {
    const spanIds: (string | undefined)[] = [];
    await workflow.run({ executionId: 'ex' }, (run) =>
      run.step('s', () =>
        audit.guard({ event: 'payment', fields: { amount: 3 }, taskId: 't-1' }, () => {
          spanIds.push(trace.getActiveSpan()?.spanContext().spanId);
          return run.step('inner', () => trace.getTracer('app').startSpan('work').end());
        }),
      ),
    );
    const spans = new Map(exporter.getFinishedSpans().map((span) => [span.name, span]));
    const guard = spans.get('guard payment');
    expect(guard?.parentSpanContext?.spanId).toBe(spans.get('step s')?.spanContext().spanId);
    expect(spans.get('step inner')?.parentSpanContext?.spanId).toBe(guard?.spanContext().spanId);
    expect(spanIds).toEqual([guard?.spanContext().spanId]);
    const all = (await events()).filter(({ event }) => event.startsWith('payment'));
    expect(all.map(({ event, duration_ms }) => [event, typeof duration_ms])).toEqual([
      ['payment_started', 'undefined'],
      ['payment', 'number'],
    ]);
    for (const event of all) {
      expect(event).toMatchObject({
        workflow_execution_id: 'ex',
        step_id: 's',
        task_id: 't-1',
        entity_type: 'agent',
        trace_id: guard?.spanContext().traceId,
        span_id: guard?.spanContext().spanId,
        parent_span_id: guard?.parentSpanContext?.spanId,
        fields: { amount: 3 },
      });
    }
    const inner = (await events()).find(
      ({ event, step_id }) => event === 'workflow_step_started' && step_id === 'inner',
    );
    expect(inner?.fields).toEqual({ parent: { step_id: 's', attempt_epoch: 1 } });
  });

  it('is in the span around it where no SDK makes one of its own', async () => {
    trace.disable();
    const spanContext = { traceId: 'd'.repeat(32), spanId: 'e'.repeat(16), traceFlags: 1 };
    const around = trace.setSpanContext(context.active(), spanContext);
    await context.with(around, () => audit.guard({ event: 'payment' }, () => 1));
    for (const event of await events()) {
      expect(event).toMatchObject({ trace_id: 'd'.repeat(32), span_id: 'e'.repeat(16) });
      expect(event).not.toHaveProperty('parent_span_id');
    }
  });

  it('passes an error on unchanged, and records it beside its fields', async () => {
    const error = new RangeError('too much');
    const fields = { amount: 3, status: 'fine' };
    await expect(
      audit.guard({ event: 'payment', fields }, () => {
        fields.amount = 4;
        throw error;
      }),
    ).rejects.toBe(error);
    const [start, finish] = await events();
    expect(start).toMatchObject({ event: 'payment_started', fields: { amount: 3, status: 'fine' } });
    expect(finish?.event).toBe('payment_failed');
    expect(finish?.fields).toEqual({ amount: 3, status: 'error', error_type: 'RangeError', error_message: 'too much' });
    expect(exporter.getFinishedSpans()[0]?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'too much' });
  });

  it.each([
    ['an AbortError', new DOMException('enough', 'AbortError'), false],
    ['the reason of its signal', new Error('enough'), true],
  ])('records %s as a cancellation', async (_name, reason, abort) => {
    const controller = new AbortController();
    const cancelled = audit.guard({ event: 'payment', signal: controller.signal }, async () => {
      if (abort) controller.abort(reason);
      throw reason;
    });
    await expect(cancelled).rejects.toBe(reason);
    const finish = (await events())[1];
    expect(finish).toMatchObject({
      event: 'payment_cancelled',
      fields: { status: 'cancelled', error_message: 'enough' },
    });
    expect(finish?.fields).not.toHaveProperty('not_begun');
    expect(exporter.getFinishedSpans()[0]?.status.code).toBe(SpanStatusCode.UNSET);
  });

  it('records nothing under a signal that is aborted already', async () => {
    const reason = new Error('before');
    const action = counted();
    const signal = AbortSignal.abort(reason);
    await expect(audit.guard({ event: 'payment', signal }, action.fn)).rejects.toBe(reason);
    expect(await events()).toEqual([]);
    expect(action.begun).toBe(0);
  });

  it.each(['', 'Payment', 'audit_loss', 'x'.repeat(119), undefined as never])(
    'throws for the name %j, before anything is recorded',
    async (event) => {
      const action = counted();
      await expect(audit.guard({ event }, action.fn)).rejects.toMatchObject({ code: 'SPANLEDGER_EVENT' });
      expect(action.begun).toBe(0);
      expect(await events()).toEqual([]);
    },
  );

  it('takes a name whose longest suffix still fits', async () => {
    await audit.guard({ event: 'x'.repeat(118) }, () => 1);
    expect(await events()).toHaveLength(2);
  });

  it('cannot name a span, a time or a duration by what is spread into it (I6)', async () => {
    const body = { span: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) }, time: [1, 0], durationMs: 7 };
    await audit.guard({ ...(body as object), event: 'payment' }, () => 1);
    for (const event of await events()) {
      expect(event.trace_id).not.toBe('a'.repeat(32));
      expect(Date.parse(event.ts)).toBeGreaterThan(Date.now() - 60_000);
    }
    expect((await events())[0]).not.toHaveProperty('duration_ms');
  });
});
