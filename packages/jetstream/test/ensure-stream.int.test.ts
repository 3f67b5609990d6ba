import { jetstreamManager } from '@nats-io/jetstream';
import { startNats } from '@spanledger/testkit';
import { describe, expect, it } from 'vitest';
import { checkStream, connectNats, ensureStream, requireStream } from '../src/index.ts';
import { CLIENTS, sealRun, updateStream } from './support.ts';

describe.each(['2.9', undefined])('on nats-server %s', (version) => {
  const options = version === undefined ? {} : { version };

  it.each(Object.entries(CLIENTS))('creates an append-only stream, once, over %s', async (_name, connect) => {
    await using server = await startNats(options);
    const connection = await connect(server.url);
    expect(await checkStream(connection)).toEqual({ status: 'missing', differences: [] });
    expect(() => requireStream({ status: 'missing', differences: [] })).toThrow('does not exist');
    const wanted = { maxBytes: 1_000_000, maxAgeMs: 86_400_000 };
    expect(await ensureStream(connection, wanted)).toEqual({ status: 'created', differences: [] });
    const again = await ensureStream(connection, wanted);
    expect(again).toEqual({ status: 'found', differences: [] });
    requireStream(again);
    await connection.close();
  });

  it('is made by many at once, and all find it', async () => {
    await using server = await startNats(options);
    const connections = await Promise.all(Array.from({ length: 6 }, () => connectNats({ servers: server.url })));
    const manager = await jetstreamManager(connections[0]!, { timeout: 30_000 });
    for (let n = 0; n < 20; n += 1) {
      const states = await Promise.all(connections.map((connection) => ensureStream(connection)));
      expect(states.map(({ status }) => status)).toEqual(states.map(() => expect.stringMatching(/^(created|found)$/)));
      await manager.streams.delete('AUDIT_EVENTS');
    }
    await Promise.all(connections.map((connection) => connection.close()));
  });

  it('says that its subjects are those of another stream', async () => {
    await using server = await startNats(options);
    const connection = await connectNats({ servers: server.url });
    const manager = await jetstreamManager(connection, { timeout: 30_000 });
    await manager.streams.add({ name: 'OTHER', subjects: ['auditEvent.>'] });
    expect(await ensureStream(connection)).toMatchObject({
      status: 'unknown',
      reason: expect.stringContaining('subjects overlap'),
    });
    await connection.close();
  });

  it('lets nobody delete an event', async () => {
    await using server = await startNats(options);
    const connection = await connectNats({ servers: server.url });
    await ensureStream(connection);
    const [event] = sealRun(1);
    await connection.request(event!.subject, event!.bytes, { timeout: 30_000 });
    const manager = await jetstreamManager(connection, { timeout: 30_000 });
    await expect(manager.streams.deleteMessage('AUDIT_EVENTS', 1)).rejects.toThrow('delete');
    await expect(manager.streams.purge('AUDIT_EVENTS')).rejects.toThrow('purge');
    await connection.close();
  });

  it('says what is different, and changes nothing', async () => {
    await using server = await startNats(options);
    const connection = await connectNats({ servers: server.url });
    const manager = await jetstreamManager(connection, { timeout: 30_000 });
    const { config } = await manager.streams.add({
      name: 'AUDIT_EVENTS',
      subjects: ['auditEvent.*.>'],
      max_msgs_per_subject: 10,
      duplicate_window: 1e9,
    });
    const state = await ensureStream(connection);
    expect(state.status).toBe('found');
    const severities = Object.fromEntries(state.differences.map(({ setting, severity }) => [setting, severity]));
    expect(severities).toMatchObject({
      subjects: 'error',
      discard: 'error',
      deny_delete: 'error',
      deny_purge: 'error',
      max_msgs_per_subject: 'error',
      duplicate_window: 'warning',
    });
    expect(state.differences).toContainEqual({ setting: 'discard', expected: 'new', actual: 'old', severity: 'error' });
    expect(severities).not.toHaveProperty('storage');
    expect(() => requireStream(state)).toThrow(expect.objectContaining({ code: 'SPANLEDGER_STREAM' }));
    expect((await manager.streams.info('AUDIT_EVENTS')).config).toEqual(config);
    await connection.close();
  });
});

it('has nothing against a stream that gives more than was asked for', async () => {
  await using server = await startNats();
  const connection = await connectNats({ servers: server.url });
  await ensureStream(connection);
  await updateStream(connection, { subjects: ['auditEvent', 'auditEvent.>', 'other'], duplicate_window: 1_200e9 });
  expect(await checkStream(connection)).toEqual({ status: 'found', differences: [] });
  await connection.close();
});

it('says unknown where JetStream is off', async () => {
  await using server = await startNats({ config: 'accounts { A { users: [{ user: a, password: a }] } }' });
  const connection = await connectNats({ servers: server.url, user: 'a', pass: 'a' });
  const state = await ensureStream(connection);
  expect(state).toMatchObject({ status: 'unknown', reason: expect.any(String) });
  expect(() => requireStream(state)).toThrow('unknown');
  await connection.close();
});
