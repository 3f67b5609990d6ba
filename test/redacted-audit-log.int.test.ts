import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { diag } from '@opentelemetry/api';
import { createAuditPipeline, createKeyRing, keysRoute, memorySink, registerPipeline } from '@spanledger/audit';
import type { AuditPipelineOptions, RedactionPolicy, SigningKeys } from '@spanledger/audit';
import { createEventBus, createTaskEvents } from '@spanledger/audit/bus';
import type { AttemptStore, AuditSink, WriteOutcome } from '@spanledger/protocol';
import { afterEach, expect, it, vi } from 'vitest';
import { RollbackWatch } from '../packages/audit/src/delivery/rollback-watch.ts';
import { AttemptCounter } from '../packages/audit/src/workflow/attempt-counter.ts';
import { SHAPE_COUNT, plantedSecrets } from '../packages/audit/test/redaction-support.ts';
import { newScope } from '../packages/audit/test/support.ts';
import { captureLog } from './support/captured-log.ts';
import { type LoggingCalls, failure, fails, namesWithSecrets, said } from './support/planted-log.ts';

const secrets = plantedSecrets(SHAPE_COUNT);
const names = namesWithSecrets(10);
const EVENT_ID = '018f0000-0000-7000-8000-000000000000:1';
const FIRST = { last: undefined, atLeast: 1 };

afterEach(() => {
  diag.disable();
  vi.useRealTimers();
});

/** One event through a pipeline, up to its end. */
async function emitWith(options: Partial<AuditPipelineOptions>, event = 'payment'): Promise<void> {
  const pipeline = createAuditPipeline({ producer: 'careless', sink: memorySink(), ...options });
  pipeline.emit(newScope(), { event, fields: { a: 'b' } });
  await pipeline.flush();
  await pipeline.shutdown();
}

/** Keys that work, but for what is told. */
function keysThat(not: Partial<SigningKeys>): AuditPipelineOptions['signing'] {
  const keys: SigningKeys = { kid: 'k', sign: () => new Uint8Array(64), jwks: () => ({ keys: [] }), ...not };
  return { mode: 'event', keys };
}

/** A store of attempts that works, but for what is told. */
function storeThat(not: Partial<AttemptStore>): AttemptStore {
  return { name: 'store', onUnavailable: 'memory', read: () => ({ revision: 0 }), write: () => 1, ...not };
}

const newKey = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();

/** What is thrown at us, and what things are called. */
const CALLS: LoggingCalls = {
  'an event could not be signed': (planted) => emitWith({ signing: keysThat({ sign: fails(planted) }) }),
  'the signing keys could not be closed': (planted) => emitWith({ signing: keysThat({ close: fails(planted) }) }),
  'the public keys cannot be served': async (planted) => {
    const signing = keysThat({ jwks: fails(planted) });
    const pipeline = createAuditPipeline({ producer: 'careless', sink: memorySink(), signing });
    const unregister = registerPipeline(pipeline);
    expect(keysRoute().answer().statusCode).toBe(503);
    unregister();
    await pipeline.shutdown();
  },
  'an event could not be sealed': ({ text }) => emitWith({}, text),
  'the event bus has thrown': (planted) =>
    emitWith({ bus: { ...createEventBus(), wants: () => true, publish: fails(planted) } }),
  'a listener of the event bus has thrown': async (planted) => {
    const bus = createEventBus();
    const listening = bus.subscribe({ taskId: 't' }).forEach(fails(planted));
    bus.publish({ event: 'session_end', task_id: 't' });
    bus.close();
    await listening;
  },
  'the events of a task cannot be served': async (planted) => {
    const events = createTaskEvents({ bus: { ...createEventBus(), subscribe: fails(planted) } });
    const server = createServer((request, response) => events.handle(request, response, 't'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { accept: 'text/event-stream' } });
    expect(answer.status).toBe(500);
    await answer.text();
    server.close();
    events.close();
  },
  'a redaction policy failed': async ({ text }) => {
    const kind = { [text]: class extends Error {} }[text]!;
    const policy: RedactionPolicy = () => {
      throw new kind(text);
    };
    await emitWith({ redaction: { policy } });
  },
  'the store of attempts could not be closed': (planted) =>
    emitWith({ attempts: storeThat({ close: async () => fails(planted)() }) }),
  'attempts are counted in this process alone, as long as': (planted) =>
    new AttemptCounter(storeThat({ name: planted.text, read: fails(planted) })).claim(newStep(), FIRST),
  'is counted in this process alone, because of': ({ text }) => {
    const store = storeThat({ name: text, read: () => ({ record: { epoch: -1 }, revision: 1 }) });
    return new AttemptCounter(store).claim(newStep(), FIRST);
  },
  'was not noted in the store of attempts': async (planted) => {
    const writes: AttemptStore['write'][] = [() => 1];
    const counter = new AttemptCounter(
      storeThat({ write: (...given) => (writes.shift() ?? fails(planted))(...given) }),
    );
    (await counter.claim(newStep(), FIRST)).started(EVENT_ID);
    await new Promise(setImmediate);
  },
  'a sink must not reject': async (planted) => {
    let resume = (): void => {};
    const sink: AuditSink = {
      ...memorySink(),
      onResume: (listener) => void (resume = listener),
      writeEvent: async () => fails(planted)(),
    };
    const none = (): void => {};
    const watch = new RollbackWatch({ sink, retentionMs: 60_000, settle: none, onDoubt: none, onRollback: none });
    watch.stored({} as never, { status: 'stored', streamSeq: 1 });
    resume();
    await new Promise(setImmediate);
  },
};

let steps = 0;
const newStep = () => ({ executionId: 'careless', stepId: `s${(steps += 1)}` });

it.each(Object.entries(CALLS))('"%s…" is in our log without secrets', async (line, call) => {
  const logged = captureLog();
  for (const planted of secrets) await call(planted);
  expect(said(logged, line, secrets)).toEqual({ redacted: secrets.length, leaked: [] });
});

const NAMED: LoggingCalls = {
  'sink [REDACTED] stores again': async ({ text, secret }) => {
    const answers: WriteOutcome[] = [{ status: 'refused', error: failure(text) }];
    const stored: WriteOutcome = { status: 'stored' };
    await emitWith({ sink: { ...memorySink(), name: secret, writeEvent: async () => answers.shift() ?? stored } });
  },
  'attempts are counted in [REDACTED] again': async (planted) => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const reads: AttemptStore['read'][] = [fails(planted)];
    const store = storeThat({ name: planted.secret, read: (key) => (reads.shift() ?? (() => ({ revision: 0 })))(key) });
    const counter = new AttemptCounter(store);
    await counter.claim(newStep(), FIRST);
    vi.advanceTimersByTime(60_000);
    await counter.claim(newStep(), FIRST);
  },
  'events are signed with the key': ({ secret }) => {
    createKeyRing({ key: newKey(), kid: secret }).rotate({ key: newKey(), kid: 'next' });
  },
  'keys were rotated': ({ secret }) => {
    const ring = createKeyRing({ key: newKey(), kid: secret });
    for (let i = 0; i < 33; i += 1) ring.rotate({ key: newKey(), kid: `k${i}` });
  },
};

it.each(Object.entries(NAMED))('"%s…" is in our log without secrets in names', async (line, call) => {
  const logged = captureLog();
  for (const planted of names) await call(planted);
  expect(said(logged, line, names)).toEqual({ redacted: names.length, leaked: [] });
});
