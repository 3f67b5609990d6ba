import { jetstreamManager } from '@nats-io/jetstream';
import { messageId } from '@spanledger/protocol';
import { startNats } from '@spanledger/testkit';
import { describe, expect, it } from 'vitest';
import { connectNats, ensureStream, jetStreamSink } from '../src/index.ts';
import type { NatsConnectionLike } from '../src/index.ts';
import { CLIENTS, interleave, observer, readAll, sealRun, until, updateStream } from './support.ts';
import { alarmed, expectLedger, statuses, watchedSink } from './watched-sink.ts';

describe.each(Object.entries(CLIENTS))('over %s', (_name, connect) => {
  it('loses, repeats and reorders nothing when the server is killed in the middle of 20,000 events', async () => {
    await using server = await startNats();
    const watching = await observer(server.url);
    const connection = await connect(server.url);
    const { sink, write, answered } = watchedSink({ connection, publishTimeoutMs: 60_000 });
    const runs = Array.from({ length: 20 }, () => sealRun(1_000));
    const outcomes = write(interleave(runs));
    await until(() => answered() > 3_000);
    await server.kill('SIGKILL');
    expect(answered()).toBeLessThan(20_000);
    await server.restart();
    expect(statuses(await outcomes)).toEqual(['stored']);
    await expectLedger(watching, runs);
    await sink.close();
    await Promise.all([connection.close(), watching.close()]);
  });

  it('keeps everything in order while the stream is full, and goes on when there is room', async () => {
    await using server = await startNats();
    const watching = await observer(server.url, { maxBytes: 300_000 });
    const connection = await connect(server.url);
    const { sink, write, alarms, answered } = watchedSink({ connection });
    const runs = Array.from({ length: 5 }, () => sealRun(400));
    const outcomes = write(interleave(runs));
    await until(() => alarmed(alarms, '10077'));
    expect(answered()).toBeLessThan(2_000);
    await updateStream(watching, { max_bytes: -1 });
    expect(statuses(await outcomes)).toEqual(['stored']);
    await expectLedger(watching, runs);
    expect(alarms.filter(({ message }) => message.includes('10077'))).toHaveLength(1);
    await sink.close();
    await Promise.all([connection.close(), watching.close()]);
  });

  it('answers failed to what is open when the connection is closed by its owner', async () => {
    await using server = await startNats();
    const connection = await connect(server.url);
    const { sink, write } = watchedSink({ connection });
    const outcomes = write(sealRun(3)); // There is no stream.
    await connection.close();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'failed', error: { code: 'SPANLEDGER_SINK' } });
    }
    expect(await write(sealRun(1))).toMatchObject([{ status: 'failed' }]);
    await sink.close();
  });

  it('refuses what is larger than the server takes, and stores the rest', async () => {
    await using server = await startNats({ config: 'max_payload: 8192' });
    const watching = await observer(server.url);
    await updateStream(watching, { max_msg_size: 4_096 });
    const connection = await connect(server.url);
    const { sink, write } = watchedSink({ connection });
    const [small, overStream, overServer] = [
      sealRun(2),
      sealRun(1, { payloadBytes: 5_000 }),
      sealRun(1, { payloadBytes: 10_000 }),
    ];
    const outcomes = await write([small[0]!, overServer[0]!, overStream[0]!, small[1]!]);
    expect(outcomes.map(({ status }) => status)).toEqual(['stored', 'refused', 'refused', 'stored']);
    expect(outcomes[1]).toMatchObject({ error: { code: 'SPANLEDGER_REFUSED' } });
    await expectLedger(watching, [small]);
    await sink.close();
    await Promise.all([connection.close(), watching.close()]);
  });

  it('refuses an event whose subject cannot be published on, and keeps the connection', async () => {
    await using server = await startNats();
    const watching = await observer(server.url);
    const connection = await connect(server.url);
    const { sink, write } = watchedSink({ connection });
    const subjects = [
      '',
      'auditEvent.a b',
      'auditEvent..a',
      'auditEvent.*',
      'auditEvent.é',
      `auditEvent.${'x'.repeat(5_000)}`,
    ];
    const bad = subjects.flatMap((subject) => sealRun(1, { subject }));
    const good = sealRun(5);
    const outcomes = await write([...bad, ...good]);
    expect(outcomes.map(({ status }) => status)).toEqual([...bad.map(() => 'refused'), ...good.map(() => 'stored')]);
    expect(server.log).not.toContain('maximum control line');
    await sink.close();
    await Promise.all([connection.close(), watching.close()]);
  });
});

it('publishes again what a frozen server did not acknowledge, and nothing is stored twice', async () => {
  await using server = await startNats();
  const watching = await observer(server.url);
  const connection = await connectNats({ servers: server.url });
  const { sink, write, alarms } = watchedSink({ connection, publishTimeoutMs: 300 });
  const runs = Array.from({ length: 4 }, () => sealRun(500));
  const [before, after] = [interleave(runs.slice(0, 2)), interleave(runs.slice(2))];
  const first = write(before);
  await server.pause();
  const second = write(after);
  await until(() => alarmed(alarms, 'no acknowledgement within 300 ms'));
  server.resume();
  expect(statuses([...(await first), ...(await second)])).toEqual(['stored']);
  await expectLedger(watching, runs);
  await sink.close();
  await Promise.all([connection.close(), watching.close()]);
});

it('waits for a server that is not there yet, in order', async () => {
  await using server = await startNats();
  await server.stop();
  let retries = 0;
  const { sink, write, answered } = watchedSink({
    connection: async (signal) => {
      const connection = await connectNats({ servers: server.url, signal, onRetry: () => (retries += 1) });
      await ensureStream(connection);
      return connection;
    },
  });
  const run = sealRun(3_000);
  const outcomes = write(run);
  await until(() => retries > 0);
  expect(answered()).toBe(0);
  await server.restart();
  expect(statuses(await outcomes)).toEqual(['stored']);
  const watching = await connectNats({ servers: server.url });
  await expectLedger(watching, [run]);
  await sink.close();
  await watching.close();
});

it('gives up connecting when it is closed', async () => {
  await using server = await startNats();
  await server.stop();
  let given: Promise<NatsConnectionLike> | undefined;
  const { sink, write } = watchedSink({
    connection: (signal) => (given = connectNats({ servers: server.url, signal })),
  });
  const outcomes = write(sealRun(2));
  await sink.close(50);
  for (const outcome of await outcomes) {
    expect(outcome).toMatchObject({ status: 'failed', error: { code: 'SPANLEDGER_SINK_CLOSED' } });
  }
  await expect(given).rejects.toMatchObject({ code: 'SPANLEDGER_SINK' });
});

it('closes the connection that it opened, and leaves alone one that it was given', async () => {
  await using server = await startNats();
  const [opened, given] = await Promise.all([
    connectNats({ servers: server.url }),
    connectNats({ servers: server.url }),
  ]);
  const sinks = [jetStreamSink({ connection: async () => opened }), jetStreamSink({ connection: given })];
  await Promise.all(sinks.map((sink) => sink.close()));
  expect([opened.isClosed(), given.isClosed()]).toEqual([true, false]);
  await given.close();
});

it('does not take another stream for ours', async () => {
  await using server = await startNats();
  const watching = await connectNats({ servers: server.url });
  const manager = await jetstreamManager(watching, { timeout: 30_000 });
  await manager.streams.add({ name: 'OTHER', subjects: ['auditEvent.>'] });
  const connection = await connectNats({ servers: server.url });
  const { sink, write, alarms } = watchedSink({ connection });
  const run = sealRun(50);
  const outcomes = write(run);
  await until(() => alarmed(alarms, '10060'));
  expect((await manager.streams.info('OTHER')).state.messages).toBe(0);
  await manager.streams.delete('OTHER');
  await ensureStream(watching);
  expect(statuses(await outcomes)).toEqual(['stored']);
  await expectLedger(watching, [run]);
  await sink.close();
  await Promise.all([connection.close(), watching.close()]);
});

it('takes no acknowledgement from anyone but our stream', async () => {
  await using server = await startNats();
  const watching = await connectNats({ servers: server.url });
  const answers = [
    '{"stream":"OTHER","seq":1}',
    'null',
    '+OK',
    '{"stream":"AUDIT_EVENTS"}',
    '{"stream":"AUDIT_EVENTS","seq":0}',
  ];
  let asked = 0;
  const liar = watching.subscribe('auditEvent.>', {
    callback: (_error, message) => {
      message.respond(answers[asked++ % answers.length]);
    },
  });
  await watching.flush();
  const connection = await connectNats({ servers: server.url });
  const { sink, write, alarms, answered } = watchedSink({ connection });
  const run = sealRun(5);
  const outcomes = write(run);
  await until(() => asked >= 2 * answers.length);
  expect(answered()).toBe(0);
  expect(alarmed(alarms, 'stream OTHER answered instead of AUDIT_EVENTS')).toBe(true);
  liar.unsubscribe();
  await ensureStream(watching);
  expect(statuses(await outcomes)).toEqual(['stored']);
  await expectLedger(watching, [run]);
  await sink.close();
  await Promise.all([connection.close(), watching.close()]);
});

it('asks a stream that refuses with its oldest event alone, so that a run is not mixed up when it accepts again', async () => {
  await using server = await startNats();
  const watching = await connectNats({ servers: server.url });
  const asked: (string | undefined)[] = [];
  watching.subscribe('auditEvent.>', {
    callback: (_error, message) => {
      asked.push(message.headers?.get('Nats-Msg-Id'));
      message.respond('{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}');
    },
  });
  await watching.flush();
  const { sink, write } = watchedSink({ connection: watching });
  const run = sealRun(100);
  const outcomes = write(run);
  await until(() => asked.length >= 104);
  await sink.close(0);
  await outcomes;
  expect(asked.slice(0, 100)).toEqual(run.map(messageId));
  expect(new Set(asked.slice(100))).toEqual(new Set([messageId(run[0]!)]));
  await watching.close();
});

it('publishes flat where it is told to', async () => {
  await using server = await startNats();
  const watching = await observer(server.url);
  const { sink, write } = watchedSink({
    connection: () => connectNats({ servers: server.url }),
    subject: 'auditEvent',
  });
  await write(sealRun(3));
  expect((await readAll(watching)).map(({ subject }) => subject)).toEqual(Array(3).fill('auditEvent'));
  await sink.close();
  await watching.close();
});
