import { setTimeout as delay } from 'node:timers/promises';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { NatsServer, type NatsServerOptions } from './nats-server.ts';

const READY_TIMEOUT_MS = 60_000;
const POLL_MS = 50;
/** Told of a member that is to be reached through proxies alone: nobody finds a way around them, client or server. */
const NO_OTHER_WAY = 'advertise: "127.0.0.1:1"\n  no_advertise: true';

export interface NatsClusterOptions extends NatsServerOptions {
  /** The members reach each other through proxies, so that `isolate` can part them. Default false. */
  readonly partitionable?: boolean;
}

/** What goes from one member to another one. */
interface Route {
  readonly from: NatsServer;
  readonly to: NatsServer;
  readonly proxy: FaultProxy;
}

/** A JetStream cluster of real servers. Kill, restart and pause its members one by one. */
export class NatsCluster {
  readonly servers: readonly NatsServer[];
  #routes: readonly Route[] = [];

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

  /**
   * What this member and the others send each other vanishes, and nobody is told, until `heal`. Clients reach all of them.
   *
   * @throws Error unless the cluster is `partitionable`.
   */
  isolate(server: NatsServer): void {
    const cut = this.#routes.filter(({ from, to }) => from === server || to === server);
    if (cut.length === 0) throw new Error('the members of this cluster cannot be parted');
    for (const { proxy } of cut) {
      proxy.dropClientToServer();
      proxy.dropServerToClient();
    }
  }

  /** All members reach each other again. */
  heal(): void {
    for (const { proxy } of this.#routes) proxy.resume();
  }

  /** Tells the members, which have ports now, where the others are. */
  async connect(partitionable: boolean): Promise<void> {
    if (!partitionable) {
      const routes = this.servers.map((server) => server.routeUrl);
      await Promise.all(this.servers.map((server) => server.setRoutes(routes)));
      return;
    }
    const pairs = this.servers.flatMap((from) =>
      this.servers
        .filter((to) => to !== from)
        .map(async (to) => ({ from, to, proxy: await startFaultProxy(to.routeUrl) })),
    );
    this.#routes = await Promise.all(pairs);
    for (const server of this.servers) {
      const ways = this.#routes.filter(({ from }) => from === server);
      await server.setRoutes(ways.map(({ proxy }) => `nats-route://127.0.0.1:${proxy.port}`));
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.close()));
    await Promise.all(this.#routes.map(({ proxy }) => proxy.close()));
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
export async function startNatsCluster(size = 3, options: NatsClusterOptions = {}): Promise<NatsCluster> {
  const { partitionable = false, ...serverOptions } = options;
  const membership = { clusterName: 'spanledger-test', ...(partitionable && { more: NO_OTHER_WAY }) };
  // A member must know how many peers to expect when it starts, and none of them has a port yet: they start with
  // placeholder routes (nothing answers there) and are told the real ones afterwards.
  const routes = Array.from({ length: size }, (_, i) => `nats-route://127.0.0.1:${i + 1}`);
  const started = await Promise.allSettled(
    routes.map((_, i) =>
      NatsServer.start({ ...serverOptions, monitoring: true }, { ...membership, serverName: memberName(i), routes }),
    ),
  );
  const cluster = new NatsCluster(started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : [])));
  try {
    for (const result of started) if (result.status === 'rejected') throw result.reason;
    await cluster.connect(partitionable);
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
