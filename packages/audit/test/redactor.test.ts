import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { diag, DiagLogLevel, metrics } from '@opentelemetry/api';
import type { DiagLogger } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { createAuditPipeline, memorySink, registerPipeline, workflow } from '../src/index.ts';
import type { AuditPipelineOptions, RedactionOptions, RedactionPolicy } from '../src/index.ts';
import { eventsOf, newScope } from './support.ts';

const KEY = ['AKIA', 'QWERTYUIOPASDFG2'].join('');

function redacting(redaction?: RedactionOptions, options: Partial<AuditPipelineOptions> = {}) {
  const sink = memorySink();
  const pipeline = createAuditPipeline({ producer: 'svc', sink, redaction, ...options });
  return { sink, pipeline };
}

async function redacted(policy: RedactionPolicy, event: string, fields: Record<string, never> | object) {
  const { sink, pipeline } = redacting({ policy });
  pipeline.emit(newScope(), { event, fields: fields as Record<string, string> });
  await pipeline.flush();
  return eventsOf(sink).find((one) => one.event === event)!;
}

function meterReader() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 1e9 });
  const meters = new MeterProvider({ readers: [reader] });
  metrics.setGlobalMeterProvider(meters);
  return { reader, exporter, meters };
}

/** The metric's unit and values, if there is one. */
function failuresIn(exporter: InMemoryMetricExporter) {
  return exporter
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
    .filter(({ descriptor }) => descriptor.name === 'spanledger.redaction.failures')
    .map(({ descriptor, dataPoints }) => [descriptor.unit, dataPoints.map(({ value }) => value)] as const);
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

let errors: string[];
beforeEach(() => {
  errors = [];
  const log = (...parts: unknown[]): void => void errors.push(parts.map(String).join(' '));
  const logger: DiagLogger = { error: log, warn: log, info: log, debug: log, verbose: log };
  diag.setLogger(logger, { logLevel: DiagLogLevel.ALL, suppressOverrideMessage: true });
});
afterEach(() => {
  diag.disable();
  metrics.disable();
});

describe('secrets', () => {
  it('are taken out of every text of an event, and what was given is not touched', async () => {
    const { sink, pipeline } = redacting(undefined, { agentVersion: `1-${KEY}`, orgId: KEY });
    const fields = Object.freeze({ note: `with ${KEY}`, list: Object.freeze([Object.freeze({ key: KEY })]) });
    const details = { model: KEY, provider: KEY, requestId: KEY, taskId: KEY, sessionId: KEY, clientRequestId: KEY };
    pipeline.emit(newScope(), { event: 'payment', fields: fields as never, ...details, inputTokens: 3 });
    await pipeline.flush();
    const [event] = eventsOf(sink);
    expect(JSON.stringify(event)).not.toContain(KEY);
    expect(event).toMatchObject({
      event: 'payment',
      input_tokens: 3,
      fields: { note: 'with [REDACTED]' },
      org_id: '[REDACTED]',
    });
    expect(fields.list[0]!.key).toBe(KEY);
  });

  const ids = { taskId: KEY, sessionId: `s-${KEY}`, clientRequestId: `Bearer ${KEY}`, requestId: KEY };

  it('are no ids: one mark for all would make strangers share a task', async () => {
    const { sink, pipeline } = redacting();
    pipeline.emit(newScope(), { event: 'payment', ...ids, model: KEY });
    await pipeline.flush();
    const [event] = eventsOf(sink);
    expect(event).toMatchObject({ model: '[REDACTED]' });
    for (const name of ['task_id', 'session_id', 'client_request_id', 'request_id'])
      expect(event).not.toHaveProperty(name);
  });

  it('in ids can be told apart by their marks, where there is a key to join them by', async () => {
    const { sink, pipeline } = redacting({ joinKey: 'k'.repeat(16) });
    for (const taskId of [KEY, `${KEY.slice(0, -1)}Z`, KEY]) pipeline.emit(newScope(), { event: 'payment', taskId });
    await pipeline.flush();
    const [first, other, again] = eventsOf(sink).map((event) => event.task_id);
    expect(first).toMatch(/^\[REDACTED:[0-9a-f]{16}\]$/);
    expect(again).toBe(first);
    expect(other).not.toBe(first);
  });

  it('are not seen in the id of a step: an attempt of it is told to be superseded, and what is inside of it', async () => {
    const { sink, pipeline } = redacting();
    const unregister = registerPipeline(pipeline);
    await workflow.run({ workflowId: 'w' }, async (run) => {
      await run.step('secret:rotate', async () => {});
      await run.step('secret:rotate', { attempt: 2 }, async () => {});
    });
    const parent = { step_id: 'secret:rotate', attempt_epoch: 2, note: KEY };
    pipeline.emit(newScope(), { event: 'workflow_step_started', fields: { parent } });
    await pipeline.flush();
    unregister();
    const events = eventsOf(sink);
    const rewind = events.find(({ event }) => event === 'stream_rewind');
    expect(rewind).toMatchObject({ step_id: 'secret:rotate', fields: { step: 'secret:rotate', new_epoch: 2 } });
    expect(events.at(-1)?.fields).toEqual({ parent: { ...parent, note: '[REDACTED]' } });
  });

  it('stay where that is asked for', async () => {
    const { sink, pipeline } = redacting({ secrets: false });
    pipeline.emit(newScope(), { event: 'payment', fields: { note: KEY } });
    await pipeline.flush();
    expect(eventsOf(sink)[0]).toMatchObject({ fields: { note: KEY } });
  });
});

describe('a policy', () => {
  it('has a copy of its own, and decides what is kept', async () => {
    const given = { keep: 'a', drop: 'b', deep: { list: [1, 2] } };
    const event = await redacted(
      (payload) => {
        delete payload['drop'];
        (payload['deep'] as { list: number[] }).list.length = 0;
        payload['when'] = new Date(0);
        return payload;
      },
      'payment',
      given,
    );
    expect(event.fields).toEqual({ keep: 'a', when: '1970-01-01T00:00:00.000Z' });
    expect(given).toEqual({ keep: 'a', drop: 'b', deep: { list: [1, 2] } });
  });

  it('cannot reach what is around the payload, and what it returns cannot change later', async () => {
    let kept: Record<string, unknown> = {};
    const event = await redacted(
      () => (kept = { seq: 99, prev_hash: 'x', event: 'other', run_id: 'y', ['__proto__']: { polluted: true } }),
      'payment',
      { a: 'b' },
    );
    kept['seq'] = 100;
    expect(event).toMatchObject({ event: 'payment', fields: { seq: 99, event: 'other' } });
    expect(event.seq).not.toBe(99);
    expect(event.run_id).not.toBe('y');
  });

  it('is followed by the search for secrets', async () => {
    expect((await redacted(() => ({ put: KEY }), 'payment', { a: 'b' })).fields).toEqual({ put: '[REDACTED]' });
  });

  it('may return what is cyclic: it is marked', async () => {
    const cyclic: Record<string, unknown> = { a: 'b' };
    cyclic['self'] = cyclic;
    expect((await redacted(() => cyclic, 'payment', { a: 'b' })).fields).toEqual({ a: 'b', self: '[cyclic]' });
  });

  const failing: Record<string, RedactionPolicy> = {
    throws: () => {
      throw new Error(`cannot read ${KEY}`);
    },
    'returns nothing': () => undefined as never,
    'returns a text': () => KEY as never,
    'returns a list': () => [KEY] as never,
    'is asynchronous': (async () => ({ note: KEY })) as never,
    // Nobody would take its rejection, and that ends a process.
    'is asynchronous, and rejects': (async () => {
      throw new Error(KEY);
    }) as never,
    'throws what cannot be looked at': () => {
      throw revoked();
    },
    'throws an error of no class': () => {
      throw Object.assign(new Error(KEY), { constructor: undefined });
    },
  };
  it.each(Object.entries(failing))(
    'that %s costs the payload, not the event (I6), and its error is not quoted',
    async (_, policy) => {
      const event = await redacted(policy, 'payment', { note: KEY });
      expect(event).toMatchObject({ event: 'payment', fields: { '…': '[redaction failed]' } });
      expect(errors.filter((line) => line.includes('a redaction policy failed'))).toHaveLength(1);
      expect(errors.join('\n')).not.toContain(KEY);
    },
  );

  it('that fails is counted in the health and in the metrics, and leaves the service ready', async () => {
    const { reader, exporter, meters } = meterReader();
    const { pipeline } = redacting({
      policy: (payload) => {
        if (payload['odd'] !== undefined) throw new Error('an odd payload');
        return payload;
      },
    });
    for (const fields of [{ odd: 1 }, { even: 2 }, { odd: 3 }]) pipeline.emit(newScope(), { event: 'payment', fields });
    await pipeline.flush();
    expect(pipeline.health()).toMatchObject({ status: 'ok', accepting: true, redaction: { failures: 2 } });
    expect(pipeline.health().losses).toEqual({ events: 0, unreported: 0 });
    await reader.forceFlush();
    expect(failuresIn(exporter)).toEqual([['{event}', [2]]]);
    await pipeline.shutdown();
    await meters.shutdown();
  });

  it('that is not there is in neither', async () => {
    const { reader, exporter, meters } = meterReader();
    const { pipeline } = redacting();
    pipeline.emit(newScope(), { event: 'payment', fields: { a: 'b' } });
    await pipeline.flush();
    expect(pipeline.health()).not.toHaveProperty('redaction');
    await reader.forceFlush();
    expect(failuresIn(exporter).flatMap(([, values]) => values)).toEqual([]);
    await pipeline.shutdown();
    await meters.shutdown();
  });

  it('cannot change what readers tell steps and outcomes apart by', async () => {
    const parent = { step_id: 'plan', attempt_epoch: 2 };
    const fields = { parent, status: 'error', error_message: 'about Ann' };
    const event = await redacted(
      (payload) => {
        (payload['parent'] as Record<string, unknown>)['attempt_epoch'] = 1;
        return { parent: payload['parent'] };
      },
      'workflow_step_started',
      fields,
    );
    expect(event.fields).toEqual({ parent, status: 'error' });
    // Elsewhere these names are the application's own.
    expect((await redacted(() => ({}), 'payment', fields)).fields).toBeUndefined();
  });

  it('is not asked about a reference to a transcript, which it could not change', async () => {
    const policy = vi.fn<RedactionPolicy>(() => {
      throw new Error('there is no content in it');
    });
    const transcript = { kind: 'input', seq: '0', digest: 'd', chunks: 1 };
    expect((await redacted(policy, 'transcript_recorded', { transcript })).fields).toEqual({ transcript });
    expect(policy).not.toHaveBeenCalled();
    // What else an application says in an event of that name it says to the policy.
    const event = await redacted(policy, 'transcript_recorded', { transcript, note: 'Ann' });
    expect(event.fields).toEqual({ transcript, '…': '[redaction failed]' });
  });

  it('is not asked about what the ledger says of itself (I9)', async () => {
    const policy = vi.fn<RedactionPolicy>(() => ({}));
    const { sink, pipeline } = redacting({ policy });
    pipeline.emit(newScope(), { event: 'payment', fields: { a: 'b' } });
    await pipeline.flush();
    await pipeline.shutdown();
    const checkpoint = eventsOf(sink).findLast(({ event }) => event === 'audit_checkpoint');
    expect(checkpoint?.fields).toMatchObject({ final: true });
    expect(policy).toHaveBeenCalledTimes(1);
  });
});

it.each([
  [{ policy: 'none' }, 'policy must be a function'],
  [{ secrets: 'yes' }, 'secrets must be true or false'],
  [{ joinKey: 'short' }, 'joinKey must be'],
  [{ joinKey: 12 }, 'joinKey must be'],
])('an option that cannot be used is refused: %j', (redaction, message) => {
  expect(() => redacting(redaction as never)).toThrow(expect.objectContaining({ code: 'SPANLEDGER_OPTION' }));
  expect(() => redacting(redaction as never)).toThrow(message);
});

it('why a sink stores nothing is in the health without its secrets', async () => {
  const error = new Error(`nats://user:${KEY}@nats.internal refused ${KEY}`);
  const sink = { ...memorySink(), writeEvent: async () => ({ status: 'refused' as const, error }) };
  const { pipeline } = redacting(undefined, { sink });
  pipeline.emit(newScope(), { event: 'payment' });
  await pipeline.flush();
  expect(pipeline.health().sink.problem).toBe('nats://user:[REDACTED]@nats.internal refused [REDACTED]');
  await pipeline.shutdown();
});
