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

  /** Waits until all members that run agree on a meta leader and are healthy. */
  async ready(): Promise<void> {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    for (;;) {
      const running = this.servers.filter((server) => server.pid !== undefined);
      const states = await Promise.all(running.map((server) => isReady(server, this.servers.length)));
      if (states.every(Boolean)) return;
      if (Date.now() > deadline) {
        throw new Error(`the cluster has no meta leader\n${running.map((server) => server.log).join('\n')}`);
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
}

/** Starts a JetStream cluster and waits until it has a meta leader. */
export async function startNatsCluster(size = 3, options: NatsServerOptions = {}): Promise<NatsCluster> {
  // Every member must be configured with its peers before any of them has a port: they start with placeholders
  // (discard ports, so nothing answers), which also tell them how many peers to expect.
  const placeholders = Array.from({ length: size }, (_, i) => `nats-route://127.0.0.1:${i + 1}`);
  const started = await Promise.allSettled(
    placeholders.map((_, i) =>
      NatsServer.start(
        { ...options, monitoring: true },
        { serverName: `n${i + 1}`, clusterName: 'spanledger-test', routes: placeholders },
      ),
    ),
  );
  const servers = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const cluster = new NatsCluster(servers);
  try {
    for (const result of started) if (result.status === 'rejected') throw result.reason;
    const routes = servers.map((server) => server.routeUrl);
    await Promise.all(servers.map((server) => server.setRoutes(routes)));
    await cluster.ready();
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

async function isReady(server: NatsServer, size: number): Promise<boolean> {
  try {
    const [jsz, health] = await Promise.all([
      fetch(`${server.monitoringUrl}/jsz`),
      fetch(`${server.monitoringUrl}/healthz`),
    ]);
    const { meta_cluster: meta } = (await jsz.json()) as { meta_cluster?: { leader?: string; cluster_size?: number } };
    return health.ok && Boolean(meta?.leader) && meta?.cluster_size === size;
  } catch {
    return false;
  }
}
