import { setTimeout as delay } from 'node:timers/promises';
import { NatsServer, type NatsServerOptions } from './nats-server.ts';

const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

/** A JetStream cluster of real servers. Kill, restart and pause its members one by one. */
export class NatsCluster {
  readonly servers: readonly NatsServer[];

  constructor(servers: readonly NatsServer[]) {
    this.servers = servers;
  }

  get urls(): string[] {
    return this.servers.map((server) => server.url);
  }

  /** Waits until all members that run are healthy and agree on a meta leader that runs. */
  async ready(): Promise<void> {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (!(await this.#hasLeader())) {
      if (Date.now() > deadline) {
        throw new Error(`the cluster has no meta leader\n${this.servers.map((server) => server.log).join('\n')}`);
      }
      await delay(POLL_MS);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #hasLeader(): Promise<boolean> {
    const members = this.servers.map((server, i) => ({ server, name: memberName(i) }));
    const running = members.filter(({ server }) => server.pid !== undefined);
    const leaders = new Set(await Promise.all(running.map(({ server }) => leaderSeenBy(server, members.length))));
    const [leader] = leaders;
    return leaders.size === 1 && running.some(({ name }) => name === leader);
  }
}

/** Starts a JetStream cluster and waits until it has a meta leader. Monitoring is on. */
export async function startNatsCluster(size = 3, options: NatsServerOptions = {}): Promise<NatsCluster> {
  // A member must know how many peers to expect when it starts, and none of them has a port yet: they start with
  // placeholder routes (nothing answers there) and are told the real ones afterwards.
  const routes = Array.from({ length: size }, (_, i) => `nats-route://127.0.0.1:${i + 1}`);
  const started = await Promise.allSettled(
    routes.map((_, i) =>
      NatsServer.start(
        { ...options, monitoring: true },
        { serverName: memberName(i), clusterName: 'spanledger-test', routes },
      ),
    ),
  );
  const cluster = new NatsCluster(started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])));
  try {
    for (const result of started) if (result.status === 'rejected') throw result.reason;
    const realRoutes = cluster.servers.map((server) => server.routeUrl);
    await Promise.all(cluster.servers.map((server) => server.setRoutes(realRoutes)));
    await cluster.ready();
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

function memberName(index: number): string {
  return `n${index + 1}`;
}

async function leaderSeenBy(server: NatsServer, clusterSize: number): Promise<string | undefined> {
  try {
    const health = await fetch(`${server.monitoringUrl}/healthz`);
    const jsz = await fetch(`${server.monitoringUrl}/jsz`);
    const { meta_cluster: meta } = (await jsz.json()) as { meta_cluster?: { leader?: string; cluster_size?: number } };
    return health.ok && meta?.cluster_size === clusterSize ? meta.leader : undefined;
  } catch {
    return undefined; // Not listening yet, or on its way down.
  }
}
