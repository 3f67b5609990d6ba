// The network between machines is gone, in both directions, and nobody is told: between the stream's leader and the two
// others, which elect another one; between the client and all of them; and with the client on the wrong side, beside the leader.
import { startFaultProxy, startNatsCluster } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { percentile } from '../lib/gaps.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { openStreamAdmin } from '../lib/stream-admin.mjs';
import { pause, waitFor } from '../lib/wait.mjs';

const REPLICAS = 3;
const PARTITIONS = { quick: ['leader', 'client'], full: ['leader', 'client', 'leader', 'minority'] };
const FULL_TIMES = 5;
/** The routes go through proxies in this process, on the same machine. */
const RATE = 1_000;
const DURATION_MS = { quick: 6_000, full: 12_000 };

export default {
  number: 11,
  title: 'network parted: leader, client',
  quick: true,
  minimum: { quick: { offered: 5_000, faults: 2 }, full: { offered: 200_000, faults: 20 } },
  timeoutS: { full: 1_800 },

  async run(context) {
    const form = context.quick ? 'quick' : 'full';
    const partitions = Array.from({ length: context.quick ? 1 : FULL_TIMES }, () => PARTITIONS[form]).flat();
    const cluster = context.own(await startNatsCluster(REPLICAS, { partitionable: true }));
    const stream = await openStreamAdmin(context, cluster.urls);
    const doors = [];
    for (const server of cluster.servers) {
      doors.push({ server, proxy: context.own(await startFaultProxy(server.url)) });
    }
    const producer = await startProducer(context, {
      servers: doors.map(({ proxy }) => proxy.url),
      stream: { replicas: REPLICAS },
      rate: RATE,
    });
    const recoveredMs = [];
    const storedMeanwhile = { leader: 0, client: 0, minority: 0 };

    /** Which doors of the client are shut, and whether the leader is alone. */
    const kinds = {
      leader: () => ({ shut: [], isAlone: true }),
      client: () => ({ shut: doors, isAlone: false }),
      minority: (leader) => ({ shut: doors.filter(({ server }) => server !== leader), isAlone: true }),
    };

    for (const [i, kind] of partitions.entries()) {
      const leader = await waitFor(() => 'the replicas do not agree', inSync, context);
      await pause(context, 500 + 500 * context.random());
      const { shut, isAlone } = kinds[kind](leader);
      const before = producer.stats;
      for (const { proxy } of shut) {
        proxy.dropClientToServer();
        proxy.dropServerToClient();
      }
      if (isAlone) cluster.isolate(leader);
      await pause(context, DURATION_MS[form]);
      const waiting = producer.stats.health.journal.unacknowledged;
      if (waiting < (producer.stats.offered - before.offered) / 2) storedMeanwhile[kind] += 1;
      const healedMs = performance.now();
      cluster.heal();
      for (const { proxy } of shut) proxy.resume();
      await producer.drained();
      recoveredMs.push(performance.now() - healedMs);
      context.progress(`${i + 1} of ${partitions.length}: ${kind}, ${waiting} events waited`);
    }
    await producer.finish();
    await cluster.ready();
    const figures = await account({ servers: cluster.urls, producers: [producer] });
    Object.assign(figures.notes, {
      rode_out_leader: storedMeanwhile.leader,
      of: partitions.filter((kind) => kind === 'leader').length,
      drained_p50_ms: percentile(recoveredMs, 0.5),
      drained_max_ms: Math.max(...recoveredMs),
    });
    return { faults: partitions.length, ...figures };

    /** @returns the leader, once all have all */
    async function inSync() {
      const { leader, replicas = [] } = (await stream.info())?.cluster ?? {};
      const current = replicas.filter((replica) => replica.current && !replica.offline);
      return leader !== undefined && current.length === REPLICAS - 1 && cluster.servers[Number(leader.slice(1)) - 1];
    }
  },
};
