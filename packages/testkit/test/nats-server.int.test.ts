import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { NatsCluster, startNats, startNatsCluster } from '@spanledger/testkit';
import type { NatsServer } from '@spanledger/testkit';
import { expect, test } from 'vitest';

async function storeOne(url: string): Promise<void> {
  const nc = await connect({ servers: url });
  const manager = await jetstreamManager(nc, { timeout: 30_000 });
  await manager.streams.add({ name: 'S', subjects: ['s'] });
  await jetstream(nc).publish('s', 'kept', { timeout: 30_000 });
  await nc.close();
}

async function storedMessages(url: string): Promise<number> {
  const nc = await connect({ servers: url });
  const { state } = await (await jetstreamManager(nc, { timeout: 30_000 })).streams.info('S');
  await nc.close();
  return state.messages;
}

/** A cluster that elects a leader meanwhile, as a slow one does again, forgets what it was asked. @returns the leader of the stream */
async function makeReplicated(nc: NatsConnection): Promise<string> {
  for (;;) {
    try {
      const { streams } = await jetstreamManager(nc, { timeout: 5_000 });
      await streams.add({ name: 'R', subjects: ['r'], num_replicas: 3 });
      const { cluster } = await streams.info('R');
      if (cluster?.leader) return cluster.leader;
    } catch {
      await delay(100);
    }
  }
}

/** A stream that has just lost its leader takes nothing until it has a new one. */
async function publishUntilStored(nc: NatsConnection, msgID: string): Promise<number> {
  for (;;) {
    try {
      return (await jetstream(nc).publish('r', msgID, { msgID, timeout: 1_000 })).seq;
    } catch {
      await delay(100);
    }
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(20);
}

/** A zombie that nobody reaps counts as gone. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

test.each(['SIGKILL', 'SIGTERM'] as const)('keeps port and store over %s and restart', async (signal) => {
  await using server = await startNats();
  const { port, url } = server;
  await storeOne(url);

  await server.kill(signal);
  expect(server.pid).toBeUndefined();
  await expect(connect({ servers: url, reconnect: false })).rejects.toThrow('connection refused');

  await server.restart();
  expect(server.port).toBe(port);
  expect(await storedMessages(url)).toBe(1);
});

test('starts many servers at once, each on a port of its own', async () => {
  const servers = await Promise.all(Array.from({ length: 5 }, () => startNats()));
  expect(new Set(servers.map((server) => server.port)).size).toBe(5);
  await Promise.all(servers.map((server) => server.close()));
});

test('a running server takes another configuration, and keeps it over a restart', async () => {
  const only = (user: string) => `authorization { users: [ { user: ${user}, password: secret } ] }`;
  await using server = await startNats({ config: only('first') });
  const login = (user: string) => connect({ servers: server.url, user, pass: 'secret', reconnect: false });
  const first = await login('first');
  await server.reload(only('second'));
  await first.closed();
  await expect(login('first')).rejects.toThrow('Authorization Violation');
  await expect(server.reload('authorization { users: nobody }')).rejects.toThrow('did not reload');
  await (await login('second')).close();
  await server.reload(only('third'));
  await server.restart();
  await (await login('third')).close();
});

test('a paused server keeps connections and answers nothing until resumed', async () => {
  await using server = await startNats();
  const nc = await connect({ servers: server.url });
  await server.pause();
  let answered = false;
  const answer = nc.rtt().then(() => (answered = true));
  await delay(300);
  expect(answered).toBe(false);
  server.resume();
  await answer;
  await nc.close();
});

test('takes configuration, monitoring and JetStream settings', async () => {
  await using server = await startNats({
    config: 'max_payload: 4096',
    jetstream: 'max_file_store: 1048576',
    monitoring: true,
  });
  const varz = (await (await fetch(`${server.monitoringUrl}/varz`)).json()) as Record<string, unknown>;
  expect(varz).toMatchObject({
    max_payload: 4096,
    version: server.version,
    jetstream: { config: { max_storage: 1048576 } },
  });
});

test('a server that cannot start says why', async () => {
  await expect(startNats({ config: 'nonsense: {' })).rejects.toThrow(
    /did not start: it exited with 1\n.*Parse error on line/,
  );
});

test('close removes the process and the folder', async () => {
  const server = await startNats();
  const { pid, dir } = server;
  await server.close();
  expect(isRunning(pid!)).toBe(false);
  expect(existsSync(dir)).toBe(false);
});

test.each(['exit', 'SIGKILL'] as const)('leaves nothing behind when its owner ends by %s', async (end) => {
  const script = new URL('fixtures/owner.mjs', import.meta.url);
  const owner: ChildProcess = spawn(process.execPath, [script.pathname], { stdio: ['pipe', 'pipe', 'inherit'] });
  const [line] = (await once(owner.stdout!, 'data')) as [Buffer];
  const { pid, dir } = JSON.parse(line.toString()) as { pid: number; dir: string };
  expect(isRunning(pid)).toBe(true);

  if (end === 'SIGKILL') owner.kill('SIGKILL');
  else owner.stdin!.end();
  await until(() => !isRunning(pid) && !existsSync(dir));
});

test('the leader of a stream is parted from the others, which go on without it, and finds them again', async () => {
  await using cluster = await startNatsCluster(3, { partitionable: true });
  const nc = await connect({ servers: cluster.urls });
  const leader = await makeReplicated(nc);
  const alone = cluster.servers[Number(leader.slice(1)) - 1]!;
  const others = cluster.servers.filter((server) => server !== alone);
  const [here, there] = await Promise.all([
    connect({ servers: alone.url }),
    connect({ servers: others.map(({ url }) => url) }),
  ]);
  expect(here.info?.connect_urls).toBeUndefined();

  cluster.isolate(alone);
  expect(await publishUntilStored(there, 'without it')).toBe(1);
  await expect(jetstream(here).publish('r', 'alone', { timeout: 1_000 })).rejects.toThrow(/timeout|no responders/);

  cluster.heal();
  await cluster.ready();
  expect(await publishUntilStored(here, 'together')).toBeGreaterThan(1);
  await Promise.all([nc.close(), here.close(), there.close()]);
});

test('a cluster that was not made for it cannot be parted', () => {
  expect(() => new NatsCluster([]).isolate({} as NatsServer)).toThrow('cannot be parted');
});

test('a cluster of three has a leader, loses a member and gets it back', async () => {
  await using cluster = await startNatsCluster(3);
  const [first, second] = cluster.servers;
  const nc = await connect({ servers: cluster.urls });
  await makeReplicated(nc);

  await first!.kill();
  await cluster.ready();
  expect(await publishUntilStored(nc, 'while one is down')).toBe(1);

  await first!.restart();
  await second!.kill();
  await cluster.ready();
  expect(await publishUntilStored(nc, 'while another is down')).toBe(2);
  await nc.close();
});
