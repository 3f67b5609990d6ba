import { messageId } from '@spanledger/protocol';
import type { PendingOutcome } from '@spanledger/protocol';
import { headers } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { startNats } from '@spanledger/testkit';
import { expect, it } from 'vitest';
import { connectNats, ensureStream } from '../src/index.ts';
import { observer, readAll, sealRun, until } from './support.ts';
import { alarmed, expectLedger, statuses, watchedSink } from './watched-sink.ts';

/** Stores junk under the message id of an event that has not been published yet. */
async function takeId(connection: NatsConnection, event: Parameters<typeof messageId>[0] & { subject: string }) {
  const options = headers();
  options.set('Nats-Msg-Id', messageId(event));
  await connection.request(event.subject, 'junk', { headers: options, timeout: 30_000 });
}

/** Hears every publish, and answers before the server can: `seq` of each answer, or none. */
async function forge(connection: NatsConnection, seq: (publish: number) => number | undefined): Promise<() => void> {
  let publishes = 0;
  const subscription = connection.subscribe('auditEvent.>', {
    callback: (_error, message) => {
      publishes += 1;
      const forged = seq(publishes);
      if (forged !== undefined) message.respond(JSON.stringify({ stream: 'AUDIT_EVENTS', seq: forged }));
    },
  });
  await connection.flush();
  return () => subscription.unsubscribe();
}

it('stores an event although somebody else was faster with its message id, and tells', async () => {
  await using server = await startNats();
  const watching = await observer(server.url);
  const connection = await connectNats({ servers: server.url });
  const { sink, write, alarms } = watchedSink({ connection });
  const run = sealRun(3);
  await takeId(watching, run[1]!);
  expect(await write(run)).toEqual(run.map(() => ({ status: 'stored', streamSeq: expect.any(Number) })));
  const stored = (await readAll(watching)).map(({ bytes }) => Buffer.from(bytes).toString());
  expect(stored).toHaveLength(4);
  for (const { bytes } of run) expect(stored).toContain(Buffer.from(bytes).toString());
  expect(alarms).toMatchObject([{ code: 'SPANLEDGER_STREAM', message: expect.stringContaining('message id') }]);
  await sink.close();
  await Promise.all([connection.close(), watching.close()]);
});

it('takes no duplicate for a forgery where the event may have been written before', async () => {
  await using server = await startNats();
  const watching = await observer(server.url);
  const run = sealRun(20);
  const before = watchedSink({ connection: watching });
  await before.write(run);
  const connection = await connectNats({ servers: server.url });
  const { sink, write, alarms } = watchedSink({ connection });
  for (const outcome of await write(run, { again: true })) expect(outcome).toMatchObject({ duplicate: true });
  expect(alarms).toEqual([]);
  await expectLedger(watching, [run]);
  await Promise.all([sink.close(), before.sink.close()]);
  await Promise.all([connection.close(), watching.close()]);
});

it('alarms and looks back when one publish is answered twice', async () => {
  await using server = await startNats();
  const watching = await observer(server.url);
  const connection = await connectNats({ servers: server.url });
  const { sink, write, alarms } = watchedSink({ connection });
  const run = sealRun(1);
  const looks: PendingOutcome[] = [];
  sink.onResume!(() => looks.push(sink.writeEvent(run[0]!, { again: true })));
  const stop = await forge(watching, (publish) => (publish === 1 ? 1 : undefined));
  await write(run);
  await until(() => alarmed(alarms, 'two answers to one publish'));
  expect(await looks[0]).toEqual({ status: 'stored', streamSeq: 1, duplicate: true });
  expect(looks).toHaveLength(1);
  expect(sink.status!().problem).toBeUndefined();
  stop();
  await sink.close();
  await Promise.all([connection.close(), watching.close()]);
});

it('does not believe an acknowledgement that an earlier one contradicts, and lets one see what was never stored', async () => {
  await using server = await startNats();
  const watching = await connectNats({ servers: server.url });
  const connection = await connectNats({ servers: server.url });
  const { sink, write, alarms } = watchedSink({ connection });
  const [lost, ...rest] = sealRun(6);
  const looks: PendingOutcome[] = [];
  sink.onResume!(() => looks.push(sink.writeEvent(lost!, { again: true })));
  const stop = await forge(watching, () => 1_000_000);
  expect(await write([lost!])).toEqual([{ status: 'stored', streamSeq: 1_000_000 }]);
  stop();
  await ensureStream(watching);
  expect(await write(rest.slice(0, 1))).toEqual([{ status: 'stored', streamSeq: 1, duplicate: true }]);
  expect(alarmed(alarms, 'went backwards')).toBe(true);
  expect(await looks[0]).toEqual({ status: 'stored', streamSeq: 2 });
  // One lie does not make a liar of the truth for ever.
  expect(await write(rest.slice(1))).toEqual([3, 4, 5, 6].map((streamSeq) => ({ status: 'stored', streamSeq })));
  expect(await readAll(watching)).toHaveLength(6);
  expect(looks).toHaveLength(1);
  await sink.close();
  await Promise.all([connection.close(), watching.close()]);
});

it('never contradicts itself over 20,000 events of a server that is paused and killed', async () => {
  await using server = await startNats();
  const watching = await observer(server.url);
  const connection = await connectNats({ servers: server.url });
  const { sink, write, alarms, answered } = watchedSink({ connection, publishTimeoutMs: 300 });
  const run = sealRun(20_000);
  const outcomes = write(run);
  await until(() => answered() > 2_000);
  await server.pause();
  await until(() => sink.status!().retries > 0);
  server.resume();
  await until(() => answered() > 8_000);
  await server.kill();
  await server.restart();
  expect(statuses(await outcomes)).toEqual(['stored']);
  expect(alarmed(alarms, 'contradict')).toBe(false);
  expect(alarmed(alarms, 'message id')).toBe(false);
  const reading = await connectNats({ servers: server.url });
  await expectLedger(reading, [run]);
  await sink.close();
  await Promise.all([connection.close(), watching.close(), reading.close()]);
});
