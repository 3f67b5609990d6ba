import { diag, metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { assertLedger, assertValidEvents } from '@spanledger/testkit';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { AuditSink } from '@spanledger/protocol';
import { createAuditPipeline, fileSink, memorySink } from '../src/index.ts';
import type { AuditPipeline } from '../src/index.ts';
import { eventsOf, eventually, gateSink, lossesOf, newScope, sha256, walkRun } from './support.ts';

const MIB = 1024 * 1024;
const errors: string[] = [];

beforeEach(() => {
  errors.length = 0;
  const quiet = () => {};
  const logger = {
    error: (message: string, ...rest: unknown[]) => errors.push([message, ...rest].join(' ')),
    warn: quiet,
    info: quiet,
    debug: quiet,
    verbose: quiet,
  };
  diag.setLogger(logger, { suppressOverrideMessage: true });
});
afterEach(() => diag.disable());

/** A sink that answers as it is told, and keeps what it stores. */
function moodySink(answer: (seq: number, runId: string) => 'stored' | 'refused' | 'failed') {
  const stored = memorySink();
  const sink: AuditSink = {
    ...stored,
    name: 'moody',
    async writeEvent(event) {
      const status = answer(event.seq, event.runId);
      return status === 'stored' ? stored.writeEvent(event) : { status, error: new Error(`told to: ${status}`) };
    },
  };
  return { sink, stored };
}

describe('a full queue', () => {
  it('names every number it has shed, and the chain can be bridged', async () => {
    const sink = gateSink();
    const pipeline = createAuditPipeline({ producer: 'svc', sink, queueMaxBytes: MIB });
    const scopes = [newScope(), newScope(), newScope()];
    for (let n = 0; n < 6_000; n += 1) pipeline.emit(scopes[n % 3]!, { event: 'tool_exec', fields: { n } });
    expect(pipeline.emit(scopes[0]!, { event: 'tool_exec' })).toBeUndefined();
    expect(errors.filter((line) => line.includes('queue is full'))).toHaveLength(1);
    sink.open();
    expect(await pipeline.flush()).toBe(true);
    expect(pipeline.emit(scopes[0]!, { event: 'session_end' })).toMatch(/:2002$/);
    expect(await pipeline.flush()).toBe(true);

    expect(lossesOf(sink.stored).map(({ reason }) => reason)).toEqual(Array(3).fill('queue_full'));
    for (const [index, { run }] of scopes.entries()) {
      const { events, lost } = walkRun(sink.stored, run.id);
      expect(events + lost).toBe(index === 0 ? 2_002 : 2_000);
      expect(events).toBeGreaterThan(500);
      expect(lost).toBeGreaterThan(500);
    }
    assertValidEvents(sink.stored.records);
    // The report comes before anything later of that run.
    const order = eventsOf(sink.stored);
    const report = order.findIndex(({ fields }) => fields?.['run_id'] === scopes[0]!.run.id);
    expect(order.findIndex(({ event }) => event === 'session_end')).toBeGreaterThan(report);
  });

  it('never holds more than queueMaxBytes', async () => {
    const sink = gateSink();
    const pipeline = createAuditPipeline({ producer: 'svc', sink, queueMaxBytes: MIB });
    const scope = newScope();
    const payload = 'x'.repeat(60_000);
    for (let n = 0; n < 200; n += 1) pipeline.emit(scope, { event: 'tool_exec', fields: { payload } });
    sink.open();
    await pipeline.flush();
    const bytes = sink.stored.records.filter((_, i) => i < 30).reduce((sum, record) => sum + record.bytes.length, 0);
    expect(bytes).toBeLessThanOrEqual(MIB);
    expect(bytes).toBeGreaterThan(0.8 * MIB);
    walkRun(sink.stored, scope.run.id);
  });

  it('stops giving numbers when it cannot remember more ranges, and counts what it refuses', async () => {
    const sink = gateSink();
    const pipeline = createAuditPipeline({ producer: 'svc', sink, queueMaxBytes: MIB });
    const filler = newScope();
    while (pipeline.emit(filler, { event: 'tool_exec', fields: { pad: 'x'.repeat(500) } }));
    const scopes = Array.from({ length: 1_100 }, () => newScope());
    for (const scope of scopes) expect(pipeline.emit(scope, { event: 'tool_exec' })).toBeUndefined();
    expect(scopes.filter(({ run }) => run.chain.seq > 0)).toHaveLength(1_023);
    sink.open();
    await eventually(() => expect(lossesOf(sink.stored)).toHaveLength(1_025));
    await pipeline.flush();
    expect(lossesOf(sink.stored).at(-1)).toEqual({ reason: 'queue_full', count: 77 });
    const named = new Map(lossesOf(sink.stored).map((loss) => [loss.run_id, loss.last_seq]));
    for (const { run } of scopes) expect(named.get(run.id) ?? 0).toBe(run.chain.seq);
    // All is reported: numbers are given again.
    expect(pipeline.emit(scopes.at(-1)!, { event: 'tool_exec' })).toMatch(/:1$/);
  });
});

describe('a sink that does not store', () => {
  it.each(['refused', 'failed'] as const)('reports what is %s, with the hash that bridges it', async (status) => {
    const { sink, stored } = moodySink((seq) => (seq >= 3 && seq <= 5 ? status : 'stored'));
    const pipeline = createAuditPipeline({ producer: 'svc', sink });
    advanceInstanceRun(pipeline, 10);
    const scope = newScope();
    for (let n = 0; n < 8; n += 1) pipeline.emit(scope, { event: 'tool_exec' });
    await pipeline.flush();
    await eventually(() => expect(walkRun(stored, scope.run.id)).toEqual({ events: 5, lost: 3 }));
    expect(lossesOf(stored).reduce((sum, { count }) => sum + count, 0)).toBe(3);
    expect(lossesOf(stored).every(({ reason }) => reason === status)).toBe(true);
    expect(errors.filter((line) => line.includes(`moody ${status} an event`))).toHaveLength(1);
  });

  it('names what is lost together in one report, not each in its own', async () => {
    const scope = newScope();
    const { sink, stored } = moodySink((_, runId) => (runId === scope.run.id ? 'refused' : 'stored'));
    const pipeline = createAuditPipeline({ producer: 'svc', sink });
    for (let n = 0; n < 10_000; n += 1) pipeline.emit(scope, { event: 'tool_exec' });
    await pipeline.shutdown();
    expect(walkRun(stored, scope.run.id)).toEqual({ events: 0, lost: 10_000 });
    expect(stored.records.length).toBeLessThan(200);
  });

  it('reports lost reports too, once it stores again', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      let mood: 'stored' | 'failed' = 'failed';
      const { sink, stored } = moodySink(() => mood);
      let writes = 0;
      const counting = {
        ...sink,
        writeEvent: (event: Parameters<AuditSink['writeEvent']>[0]) => ((writes += 1), sink.writeEvent(event)),
      };
      const pipeline = createAuditPipeline({ producer: 'svc', sink: counting });
      const instance = pipeline.instance.run;
      const first = instance.chain.seq + 1;
      const scope = newScope();
      for (let n = 0; n < 50; n += 1) pipeline.emit(scope, { event: 'tool_exec' });
      await idle();
      // The application's 50, the first report or two, and then one try after each pause: no storm.
      const writesAtOnce = writes;
      expect(writesAtOnce).toBeLessThan(105);
      for (let n = 0; n < 5; n += 1) {
        await vi.advanceTimersByTimeAsync(60_000);
        await idle();
      }
      expect(writes - writesAtOnce).toBeLessThanOrEqual(10);
      mood = 'stored';
      await vi.advanceTimersByTimeAsync(60_000);
      await idle();
      expect(walkRun(stored, scope.run.id)).toEqual({ events: 0, lost: 50 });
      // Every number of the instance run is an event or is itself reported.
      const seen = new Set(eventsOf(stored, instance.id).map(({ seq }) => seq));
      for (const loss of lossesOf(stored).filter(({ run_id }) => run_id === instance.id)) {
        for (let seq = loss.first_seq; seq <= loss.last_seq; seq += 1) seen.add(seq);
      }
      for (let seq = first; seq <= instance.chain.seq; seq += 1) expect(seen.has(seq), `number ${seq}`).toBe(true);
    } finally {
      vi.useRealTimers();
    }
  });

  it('is survived when it throws or rejects, which it must not', async () => {
    let calls = 0;
    const stored = memorySink();
    const sink: AuditSink = {
      ...stored,
      writeEvent(event) {
        calls += 1;
        if (calls === 1) throw new Error('thrown');
        return calls === 2 ? Promise.reject(new Error('rejected')) : stored.writeEvent(event);
      },
    };
    const pipeline = createAuditPipeline({ producer: 'svc', sink });
    const scope = newScope();
    for (let n = 0; n < 5; n += 1) pipeline.emit(scope, { event: 'tool_exec' });
    await pipeline.flush();
    await pipeline.shutdown();
    expect(walkRun(stored, scope.run.id)).toEqual({ events: 3, lost: 2 });
  });

  it('is believed once, whatever it answers after that', async () => {
    const stored = memorySink();
    const sink: AuditSink = {
      ...stored,
      writeEvent: (event) => ({
        // oxlint-disable-next-line unicorn/no-thenable -- What can be awaited need not be a promise.
        async then(settled, failed) {
          settled(await stored.writeEvent(event));
          settled({ status: 'refused', error: new Error('after all') });
          failed(new Error('or not'));
        },
      }),
    };
    const pipeline = createAuditPipeline({ producer: 'svc', sink });
    const scope = newScope();
    for (let n = 0; n < 5; n += 1) pipeline.emit(scope, { event: 'tool_exec' });
    expect(await pipeline.flush()).toBe(true);
    expect(pipeline.health().queue).toMatchObject({ bytes: 0, events: 0 });
    await pipeline.shutdown();
    expect(walkRun(stored, scope.run.id)).toEqual({ events: 5, lost: 0 });
  });

  it('says at shutdown that a full disk has cost events, and ends in time', async () => {
    const pipeline = createAuditPipeline({ producer: 'svc', sink: fileSink('/dev/full') });
    for (let n = 0; n < 500; n += 1) pipeline.emit(newScope(), { event: 'tool_exec' });
    await pipeline.shutdown(2_000);
    expect(errors.some((line) => line.includes('file failed an event') && line.includes('ENOSPC'))).toBe(true);
    expect(errors.some((line) => /shut down with losses that are not in the ledger: [1-9]\d* events/.test(line))).toBe(
      true,
    );
  });
});

describe('metrics', () => {
  it('count every event by its outcome', async () => {
    const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1e9 });
    const provider = new MeterProvider({ readers: [reader] });
    const { sink } = moodySink((seq) => (seq === 1 ? 'refused' : seq === 2 ? 'failed' : 'stored'));
    const pipeline = createAuditPipeline({ producer: 'svc', sink });
    advanceInstanceRun(pipeline, 10);
    // Registered later than the pipeline is made, and still found.
    metrics.setGlobalMeterProvider(provider);
    const scope = newScope();
    for (let n = 0; n < 6; n += 1) pipeline.emit(scope, { event: 'tool_exec' });
    await pipeline.flush();
    await pipeline.flush();
    await reader.forceFlush();
    const points = new Map(
      exporter
        .getMetrics()
        .at(-1)!
        .scopeMetrics.flatMap(({ metrics: all }) => all)
        .flatMap(({ descriptor, dataPoints }) =>
          dataPoints.map(({ attributes, value }) => [
            `${descriptor.name} ${String(attributes['outcome'] ?? '')}`.trim(),
            value,
          ]),
        ),
    );
    // Four of the application, and two reports.
    expect(points.get('spanledger.ack.duration')).toMatchObject({ count: 1 });
    points.delete('spanledger.ack.duration');
    expect(Object.fromEntries(points)).toEqual({
      'spanledger.events stored': 6,
      'spanledger.events refused': 1,
      'spanledger.events failed': 1,
      'spanledger.events shed': 0,
      'spanledger.events unsigned': 0,
      'spanledger.queue.bytes': 0,
      'spanledger.queue.events': 0,
      'spanledger.retries': 0,
      'spanledger.losses.unreported': 0,
      'spanledger.sink.healthy': 1,
    });
    await pipeline.shutdown();
    metrics.disable();
    await provider.shutdown();
  });
});

describe('helpers', () => {
  it('walkRun notices an unreported hole', async () => {
    const sink = memorySink();
    const pipeline = createAuditPipeline({ producer: 'svc', sink });
    const scope = newScope();
    pipeline.emit(scope, { event: 'tool_exec' });
    scope.run.chain.seq += 1;
    pipeline.emit(scope, { event: 'tool_exec' });
    await pipeline.flush();
    expect(() => walkRun(sink, scope.run.id)).toThrow('neither');
    expect(() => assertLedger(sink.records)).toThrow('does not verify');
    expect(sha256(new Uint8Array())).toMatch(/^e3b0c442/);
  });
});

/** So that a sink which goes by `seq` leaves reports alone. */
function advanceInstanceRun({ instance }: AuditPipeline, to: number): void {
  const { chain } = instance.run;
  chain.seq = Math.max(chain.seq, to);
}

async function idle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
