import { startNats } from '@spanledger/testkit';
import { REPORT_EVENTS, createChain, encodeSubject, seal } from '@spanledger/protocol';
import type { AuditEvent, SealedEvent } from '@spanledger/protocol';
import { describe, expect, it } from 'vitest';
import { feedBus, jetStreamSink } from '../src/index.ts';
import type { NatsConnectionLike } from '../src/index.ts';
import { CLIENTS, observer, sealRun, sha256, until } from './support.ts';

async function store(connection: NatsConnectionLike, events: readonly SealedEvent[]): Promise<void> {
  const sink = jetStreamSink({ connection });
  await Promise.all(events.map((event) => sink.writeEvent(event)));
  await sink.close();
}

/** A bus that notes what it gets, and how much of it in one turn of the event loop. */
function notingBus() {
  const got: AuditEvent[] = [];
  let [inTurn, most] = [0, 0];
  const publish = (event: AuditEvent): void => {
    if (inTurn === 0) setImmediate(() => (inTurn = 0));
    inTurn += 1;
    most = Math.max(most, inTurn);
    if (event.task_id === 'refused') throw new Error('refused');
    got.push(event);
  };
  return { bus: { publish }, got, most: () => most, numbers: () => got.map(({ seq }) => seq) };
}

/** Begins to feed, and waits until what is stored now will come. */
async function feed(connection: NatsConnectionLike, bus: ReturnType<typeof notingBus>['bus'], options = {}) {
  const abort = new AbortController();
  let done: ReturnType<typeof feedBus> = Promise.reject(new Error('not begun'));
  done.catch(() => {});
  await new Promise((resolve, reject) => {
    done = feedBus(connection, bus, { ...options, signal: abort.signal, onReady: resolve });
    done.catch(reject);
  });
  return { done, abort };
}

describe.each(Object.entries(CLIENTS))('a bus fed over %s', (_name, connect) => {
  it('gets what is stored from now on, once and in order, over a restart of the server, until aborted', async () => {
    await using server = await startNats();
    const watching = await observer(server.url);
    const connection = await connect(server.url);
    const run = sealRun(300);
    await store(watching, run.slice(0, 50));
    const { bus, numbers } = notingBus();
    const { done, abort } = await feed(connection, bus, { execution: 'exec-1' });
    await store(watching, [...run.slice(50, 150), ...sealRun(10, { executionId: 'exec-2' })]);
    await until(() => numbers().length === 100);
    await server.kill('SIGKILL');
    await server.restart();
    await store(watching, run.slice(150));
    await until(() => numbers().length === 250);
    expect(numbers()).toEqual(run.slice(50).map(({ seq }) => seq));
    abort.abort();
    expect(await done).toEqual({ published: 250, skipped: 0 });
    await store(watching, sealRun(1));
    expect(numbers()).toHaveLength(250);
    expect(connection.isClosed()).toBe(false);
    await Promise.all([connection.close(), watching.close()]);
  });

  it('is not ended by what it cannot read: that is counted', async () => {
    await using server = await startNats();
    const watching = await observer(server.url);
    const connection = await connect(server.url);
    const { bus, got } = notingBus();
    const { done, abort } = await feed(connection, bus);
    const subject = encodeSubject({ producer: 'svc' });
    const event = (name: string, rest: object = {}): SealedEvent =>
      seal(
        createChain(crypto.randomUUID()),
        { ts: '2026-01-01T00:00:00.000000Z', event: name, producer: 'svc', ...rest },
        subject,
        sha256,
      );
    for (const bytes of ['', 'not json', '{"event":7}', '[]']) watching.publish(subject, bytes);
    // From a producer that is not the one it says.
    watching.publish(encodeSubject({ producer: 'mallory' }), event('tool_exec').bytes);
    await store(watching, [
      event('tool_exec', { task_id: 'refused' }),
      ...REPORT_EVENTS.map((name) => event(name)),
      event('llm_call'),
    ]);
    watching.publish('auditEvent', event('tool_exec').bytes);
    await until(() => got.length === 2);
    expect(got.map((one) => one.event)).toEqual(['llm_call', 'tool_exec']);
    abort.abort();
    expect(await done).toEqual({ published: 2, skipped: 6 });
    await Promise.all([connection.close(), watching.close()]);
  });

  it('rejects without a stream, and when the connection is closed', async () => {
    await using server = await startNats();
    const connection = await connect(server.url);
    const { bus } = notingBus();
    const broken = expect.objectContaining({ code: 'SPANLEDGER_STREAM' });
    await expect(feedBus(connection, bus)).rejects.toEqual(broken);
    const watching = await observer(server.url);
    const { done } = await feed(connection, bus);
    await connection.close();
    await expect(done).rejects.toEqual(broken);
    await watching.close();
  });
});

it('leaves listeners their turn, however many events come together', async () => {
  await using server = await startNats();
  const watching = await observer(server.url);
  const { bus, numbers, most } = notingBus();
  const { done, abort } = await feed(watching, bus);
  await store(watching, sealRun(2_000));
  await until(() => numbers().length === 2_000);
  expect(most()).toBeLessThanOrEqual(128);
  abort.abort();
  await done;
  await watching.close();
});

it('does not even begin after its signal', async () => {
  const nothing = {} as NatsConnectionLike;
  const signal = AbortSignal.abort();
  expect(await feedBus(nothing, notingBus().bus, { signal })).toEqual({ published: 0, skipped: 0 });
});
