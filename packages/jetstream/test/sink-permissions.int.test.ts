import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { SpanledgerError } from '@spanledger/protocol';
import { startNats } from '@spanledger/testkit';
import type { NatsServer } from '@spanledger/testkit';
import { connect as connectV2 } from 'nats';
import { describe, expect, it } from 'vitest';
import { connectNats, ensureStream, jetStreamSink } from '../src/index.ts';
import type { NatsConnectionLike } from '../src/index.ts';
import { interleave, parse, readAll, sealRun, until } from './support.ts';

/** A producer may publish under its own name and read its own inboxes: no JetStream API, no other subject. */
const CONFIG = `
authorization {
  users: [
    { user: admin, password: admin }
    { user: svc, password: svc, permissions: {
      publish: { allow: ["auditEvent.*.*.svc"] }
      subscribe: { allow: ["_INBOX_svc.>"] }
    } }
  ]
}`;

const producers: Record<string, (servers: string) => Promise<NatsConnectionLike>> = {
  '@nats-io/transport-node 3': (servers) => connectNats({ servers, name: 'svc', user: 'svc', pass: 'svc' }),
  'nats 2': (servers) =>
    connectV2({ servers, user: 'svc', pass: 'svc', inboxPrefix: '_INBOX_svc', reconnectTimeWait: 100 }),
};

const admin = (server: NatsServer) => connectNats({ servers: server.url, user: 'admin', pass: 'admin' });

type Reconnecting = NatsConnectionLike & { reconnect(): Promise<void> };

/** As an administrator would: the server reads its configuration again. Connections stay. */
async function reload(server: NatsServer, change: (config: string) => string): Promise<void> {
  const file = path.join(server.dir, 'nats.conf');
  await writeFile(file, change(await readFile(file, 'utf8')));
  process.kill(server.pid!, 'SIGHUP');
}

describe.each(Object.entries(producers))('over %s', (_name, connect) => {
  it('needs to publish and to read its own inboxes, and nothing else', async () => {
    await using server = await startNats({ config: CONFIG });
    const watching = await admin(server);
    await ensureStream(watching);
    const connection = await connect(server.url);
    const sink = jetStreamSink({ connection });
    const run = sealRun(100);
    for (const { status } of await Promise.all(run.map((event) => sink.writeEvent(event))))
      expect(status).toBe('stored');
    expect(parse(await readAll(watching))).toHaveLength(100);
    await sink.close();
    await Promise.all([connection.close(), watching.close()]);
  });

  it.each([
    ['after a while', 50, async () => {}],
    ['at the next reconnect', 60_000, (connection: Reconnecting) => connection.reconnect()],
  ])('stores the rest while one subject is denied, and that one %s', async (_when, publishTimeoutMs, provoke) => {
    await using server = await startNats({ config: CONFIG });
    const watching = await admin(server);
    await ensureStream(watching);
    const connection = await connect(server.url);
    const alarms: SpanledgerError[] = [];
    const sink = jetStreamSink({ connection, publishTimeoutMs, onAlarm: (error) => alarms.push(error) });
    const [good, bad] = [sealRun(1_000), sealRun(300, { producer: 'other' })];
    const answered: string[] = [];
    const outcomes = interleave([good, bad]).map(async (event) => {
      const { status } = await sink.writeEvent(event);
      answered.push(status);
    });
    await until(() => answered.length === 1_000);
    // It is tried again, and told again, on a machine that takes so long; which is also told of late acknowledgements.
    const refusals = alarms.filter(({ code }) => code === 'SPANLEDGER_REFUSED').map(({ message }) => message);
    expect([...new Set(refusals)]).toEqual([expect.stringContaining('wf-1.exec-1.other')]);
    await reload(server, (config) => config.replace('"auditEvent.*.*.svc"', '"auditEvent.>"'));
    await until(() => server.log.includes('Reloaded server configuration'));
    await provoke(connection as Reconnecting);
    await Promise.all(outcomes);
    expect(new Set(answered)).toEqual(new Set(['stored']));
    const stored = parse(await readAll(watching));
    for (const run of [good, bad]) {
      const numbers = stored.filter(({ runId }) => runId === run[0]!.runId).map(({ seq }) => seq);
      expect(numbers).toEqual(run.map(({ seq }) => seq));
    }
    await sink.close();
    await Promise.all([connection.close(), watching.close()]);
  });

  it('gives up on what waits for a permission when it is closed, and what is more than it can keep', async () => {
    await using server = await startNats({ config: CONFIG });
    const watching = await admin(server);
    await ensureStream(watching);
    const connection = await connect(server.url);
    const sink = jetStreamSink({ connection });
    const answered: string[] = [];
    const outcomes = sealRun(2_000, { producer: 'other' }).map(async (event) => {
      const { status } = await sink.writeEvent(event);
      answered.push(status);
    });
    await until(() => answered.length === 2_000 - 1_024);
    await sink.close();
    await Promise.all(outcomes);
    expect(new Set(answered)).toEqual(new Set(['failed']));
    expect(await readAll(watching)).toEqual([]);
    await Promise.all([connection.close(), watching.close()]);
  });
});

it('says that the stream is unknown, and does not crash, where the JetStream API is not permitted', async () => {
  await using server = await startNats({ config: CONFIG });
  const connection = await producers['@nats-io/transport-node 3']!(server.url);
  expect(await ensureStream(connection)).toMatchObject({ status: 'unknown', differences: [] });
  await expect(readAll(connection)).rejects.toMatchObject({ code: 'SPANLEDGER_STREAM' });
  await connection.close();
});

it('alarms when it may not receive acknowledgements', async () => {
  await using server = await startNats({ config: CONFIG });
  const watching = await admin(server);
  await ensureStream(watching);
  const connection = await connectNats({ servers: server.url, name: 'wrong', user: 'svc', pass: 'svc' });
  const alarms: SpanledgerError[] = [];
  const sink = jetStreamSink({ connection, publishTimeoutMs: 100, onAlarm: (error) => alarms.push(error) });
  const outcome = sink.writeEvent(sealRun(1)[0]!);
  await until(() => alarms.some(({ message }) => message.includes('no acknowledgement can be received')));
  await reload(server, (config) => config.replace('"_INBOX_svc.>"', '">"'));
  expect(await outcome).toMatchObject({ status: 'stored' });
  await sink.close();
  await Promise.all([connection.close(), watching.close()]);
});
