import { jetstreamManager } from '@nats-io/jetstream';
import type { PendingOutcome, SealedEvent } from '@spanledger/protocol';
import { startFaultProxy, startNats } from '@spanledger/testkit';
import { describe, expect, it } from 'vitest';
import { connectNats, ensureStream } from '../src/index.ts';
import { CLIENTS, interleave, observer, sealRun, until, updateStream } from './support.ts';
import { alarmed, expectLedger, statuses, watchedSink } from './watched-sink.ts';

type Watched = ReturnType<typeof watchedSink>;

/** Passes soon enough, and is more than a busy machine takes for an acknowledgement: each late one is a resume. */
const TIMEOUT_MS = 2_000;

/** Does what a pipeline does: at each resume, it writes the last event that was acknowledged before once more. */
function lookBack({ sink }: Watched, last: () => SealedEvent): PendingOutcome[] {
  const looks: PendingOutcome[] = [];
  sink.onResume!(() => looks.push(sink.writeEvent(last(), { again: true })));
  return looks;
}

it('says what was a duplicate, under the number that it has', async () => {
  await using server = await startNats();
  const watching = await observer(server.url);
  const { sink, write } = watchedSink({ connection: watching });
  const run = sealRun(3);
  const first = await write(run);
  expect(first).toEqual([1, 2, 3].map((streamSeq) => ({ status: 'stored', streamSeq })));
  expect(await write(run, { again: true })).toEqual(first.map((outcome) => ({ ...outcome, duplicate: true })));
  await expectLedger(watching, [run]);
  expect(sink.status!()).toEqual({ problem: undefined, retries: 0 });
  await sink.close();
  await watching.close();
});

it('has a problem until the first connection is there, and then none', async () => {
  await using server = await startNats();
  const watching = await observer(server.url);
  await server.stop();
  const watched = watchedSink({
    connection: (signal) => connectNats({ servers: server.url, signal }),
    publishTimeoutMs: TIMEOUT_MS,
  });
  const looks = lookBack(watched, () => sealRun(1)[0]!);
  const notYet = { code: 'SPANLEDGER_SINK', message: 'not connected to NATS yet' };
  expect(watched.problem()).toMatchObject(notYet);
  const outcomes = watched.write(sealRun(3));
  await until(() => watched.alarms.length > 0);
  expect(watched.alarms).toMatchObject([notYet]);
  await server.restart();
  expect(statuses(await outcomes)).toEqual(['stored']);
  expect(watched.problem()).toBeUndefined();
  expect(looks).toEqual([]);
  await watched.sink.close();
  await watching.close();
});

describe.each(Object.entries(CLIENTS))('over %s', (_name, connect) => {
  it('has a problem as soon as the server is gone, and resumes once when it is back, before anything is answered', async () => {
    await using server = await startNats();
    const watching = await observer(server.url);
    const connection = await connect(server.url);
    const watched = watchedSink({ connection });
    const { sink, write, problem, answered } = watched;
    const [first, second] = [sealRun(10), sealRun(500)];
    await write(first);
    let answeredBefore: number | undefined;
    const looks: PendingOutcome[] = [];
    sink.onResume!(() => {
      answeredBefore ??= answered();
      looks.push(sink.writeEvent(first[9]!, { again: true }));
    });
    await server.kill();
    await until(() => problem() !== undefined);
    expect(problem()).toMatchObject({ code: 'SPANLEDGER_SINK', message: 'the connection to NATS is lost' });
    const outcomes = write(second);
    await server.restart();
    expect(statuses(await outcomes)).toEqual(['stored']);
    expect(await Promise.all(looks)).toEqual([{ status: 'stored', streamSeq: 10, duplicate: true }]);
    expect(answeredBefore).toBe(10);
    expect(problem()).toBeUndefined();
    const reading = await connect(server.url);
    await expectLedger(reading, [first, second]);
    await sink.close();
    await Promise.all([connection.close(), watching.close(), reading.close()]);
  });

  it('resumes after each reconnect when nothing waits', async () => {
    await using server = await startNats();
    const watching = await observer(server.url);
    const connection = await connect(server.url);
    const watched = watchedSink({ connection });
    const [event] = sealRun(1);
    await watched.write([event!]);
    const looks = lookBack(watched, () => event!);
    for (const times of [1, 2]) {
      await server.kill();
      await until(() => watched.problem() !== undefined);
      await server.restart();
      await until(() => looks.length >= times);
      expect(await looks[times - 1]).toEqual({ status: 'stored', streamSeq: 1, duplicate: true });
      await until(() => watched.problem() === undefined);
    }
    await watched.sink.close();
    await Promise.all([connection.close(), watching.close()]);
  });

  it.each([
    ['however long its pings take', { pingInterval: 600_000 }, TIMEOUT_MS],
    // An answer to a ping comes after what is sent before it.
    ['as soon as its pings say so', { pingInterval: 2_000 }, 600_000],
  ])('cuts a connection into which nothing goes any more, %s', async (_when, settings, publishTimeoutMs) => {
    await using server = await startNats();
    await using proxy = await startFaultProxy(server.url);
    const watching = await observer(server.url);
    const connection = await connect(proxy.url, settings);
    const { sink, write, problem } = watchedSink({ connection, publishTimeoutMs });
    const small = sealRun(5);
    await write(small);
    proxy.pause();
    // More than the buffers on the way take: the client's own way to give up waits until it is sent.
    const large = sealRun(400, { payloadBytes: 60_000 });
    const outcomes = write(large);
    await until(() => problem()?.message === 'the connection to NATS is lost');
    proxy.resume();
    expect(statuses(await outcomes)).toEqual(['stored']);
    await expectLedger(watching, [small, large]);
    await sink.close();
    await Promise.all([connection.close(), watching.close()]);
  });

  it('resumes once after lost acknowledgements, and nothing is stored twice', async () => {
    await using server = await startNats();
    await using proxy = await startFaultProxy(server.url);
    const watching = await observer(server.url);
    const connection = await connect(proxy.url);
    const watched = watchedSink({ connection, publishTimeoutMs: TIMEOUT_MS });
    const runs = [sealRun(300), sealRun(300)];
    await watched.write(runs[0]!);
    const looks = lookBack(watched, () => runs[0]![299]!);
    proxy.dropServerToClient();
    const outcomes = watched.write(runs[1]!);
    await until(() => alarmed(watched.alarms, `no acknowledgement within ${TIMEOUT_MS} ms`));
    proxy.resume();
    expect(statuses(await outcomes)).toEqual(['stored']);
    expect(await Promise.all(looks)).toEqual([{ status: 'stored', streamSeq: 300, duplicate: true }]);
    expect(watched.sink.status!().retries).toBeGreaterThan(0);
    expect(alarmed(watched.alarms, 'message id')).toBe(false);
    await expectLedger(watching, runs);
    await watched.sink.close();
    await Promise.all([connection.close(), watching.close()]);
  });
});

it('resumes once after a server that was frozen, without a reconnect', async () => {
  await using server = await startNats();
  const watching = await observer(server.url);
  const watched = watchedSink({ connection: watching, publishTimeoutMs: TIMEOUT_MS });
  const runs = [sealRun(500), sealRun(500)];
  await watched.write(runs[0]!);
  const looks = lookBack(watched, () => runs[0]![499]!);
  await server.pause();
  const outcomes = watched.write(runs[1]!);
  await until(() => watched.problem()?.message.includes(`no acknowledgement within ${TIMEOUT_MS} ms`) === true);
  server.resume();
  expect(statuses(await outcomes)).toEqual(['stored']);
  expect(await Promise.all(looks)).toEqual([{ status: 'stored', streamSeq: 500, duplicate: true }]);
  expect(watched.problem()).toBeUndefined();
  await expectLedger(watching, runs);
  await watched.sink.close();
  await watching.close();
});

it('lets one see that a stream has lost everything while it was away', async () => {
  await using server = await startNats();
  const watching = await connectNats({ servers: server.url });
  await ensureStream(watching);
  const watched = watchedSink({ connection: watching });
  const [before, after] = [sealRun(20), sealRun(20)];
  await watched.write(before);
  const looks = lookBack(watched, () => before[19]!);
  await (await jetstreamManager(watching, { timeout: 30_000 })).streams.delete('AUDIT_EVENTS');
  const outcomes = watched.write(after);
  await until(() => watched.problem()?.message.includes('no stream listens') === true);
  await ensureStream(watching);
  expect(statuses(await outcomes)).toEqual(['stored']);
  expect(looks).toHaveLength(1);
  expect(await looks[0]).toEqual({ status: 'stored', streamSeq: expect.any(Number) });
  await watched.sink.close();
  await watching.close();
});

it('has a problem at the first refusal of a full stream, and does not call that an interruption', async () => {
  await using server = await startNats();
  const watching = await observer(server.url);
  await updateStream(watching, { max_msgs: 100 });
  const watched = watchedSink({ connection: watching });
  const looks = lookBack(watched, () => sealRun(1)[0]!);
  const runs = [sealRun(150), sealRun(150)];
  const outcomes = watched.write(interleave(runs));
  await until(() => watched.problem() !== undefined);
  expect(watched.problem()).toMatchObject({ code: 'SPANLEDGER_STREAM', message: expect.stringContaining('10077') });
  expect(watched.alarms).toEqual([watched.problem()]);
  expect(watched.answered()).toBeLessThanOrEqual(100);
  await updateStream(watching, { max_msgs: -1 });
  expect(statuses(await outcomes)).toEqual(['stored']);
  expect(watched.problem()).toBeUndefined();
  expect(looks).toEqual([]);
  await expectLedger(watching, runs);
  await watched.sink.close();
  await watching.close();
});

it('does not call a refused message a problem', async () => {
  await using server = await startNats({ config: 'max_payload: 8192' });
  const watching = await observer(server.url);
  const watched = watchedSink({ connection: watching });
  const looks = lookBack(watched, () => sealRun(1)[0]!);
  expect(statuses(await watched.write(sealRun(1, { payloadBytes: 10_000 })))).toEqual(['refused']);
  expect(watched.problem()).toBeUndefined();
  expect(looks).toEqual([]);
  await watched.sink.close();
  await watching.close();
});

it('opens anew a connection that was closed, where it was told how', async () => {
  await using server = await startNats();
  const watching = await observer(server.url);
  const opened: Awaited<ReturnType<typeof connectNats>>[] = [];
  const watched = watchedSink({
    connection: async (signal) => {
      opened.push(await connectNats({ servers: server.url, signal }));
      return opened.at(-1)!;
    },
  });
  const runs = [sealRun(10), sealRun(10)];
  await watched.write(runs[0]!);
  const looks = lookBack(watched, () => runs[0]![9]!);
  await opened[0]!.close();
  const outcomes = watched.write(runs[1]!);
  expect(statuses(await outcomes)).toEqual(['stored']);
  expect(await Promise.all(looks)).toEqual([{ status: 'stored', streamSeq: 10, duplicate: true }]);
  await expectLedger(watching, runs);
  await watched.sink.close();
  expect(opened.map((connection) => connection.isClosed())).toEqual([true, true]);
  await watching.close();
});

it('survives a listener that throws', async () => {
  await using server = await startNats();
  const watching = await observer(server.url);
  const { sink, write, problem } = watchedSink({ connection: watching });
  let calls = 0;
  sink.onResume!(() => {
    calls += 1;
    throw new Error('broken listener');
  });
  await write(sealRun(1));
  await server.kill();
  await until(() => problem() !== undefined);
  const outcomes = write(sealRun(50));
  await server.restart();
  expect(statuses(await outcomes)).toEqual(['stored']);
  expect(calls).toBe(1);
  await sink.close();
  await watching.close();
});
