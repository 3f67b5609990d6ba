// The server that leads the stream dies, in a cluster of three: the other two elect another one, and it comes back.
import { startNatsCluster } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { addUp } from '../lib/add-up.mjs';
import { gapsAfter, percentile } from '../lib/gaps.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { openStreamAdmin } from '../lib/stream-admin.mjs';
import { pause, waitFor } from '../lib/wait.mjs';

const GAP_P50_MAX_MS = 10_000;
const REPLICAS = 3;
/** Three servers share the machine: it has to keep up also while one of them fetches what it has missed. */
const RATE = 2_000;

export default {
  number: 4,
  title: 'stream leader killed (R3)',
  quick: true,
  minimum: { quick: { offered: 4_000, faults: 1 }, full: { offered: 200_000, faults: 50 } },
  timeoutS: { full: 1_800 },

  async run(context) {
    // As with one server: each return takes as long as the stream is large.
    const [clusters, kills] = context.quick ? [1, 1] : [10, 5];
    const gapsMs = [];
    const parts = [];
    for (let cluster = 0; cluster < clusters; cluster += 1) parts.push(await killLeaders(context, kills, gapsMs));
    const figures = addUp(parts);
    const gapP50Ms = percentile(gapsMs, 0.5);
    if (gapP50Ms > GAP_P50_MAX_MS && !context.quick) {
      figures.problems.push(`half of the gaps are longer than ${gapP50Ms} ms`);
    }
    Object.assign(figures.notes, { gap_p50_ms: gapP50Ms, gap_max_ms: Math.max(...gapsMs) });
    return { faults: clusters * kills, ...figures };
  },
};

/** Kills the leader of a cluster of its own so often. @param {number[]} gapsMs is told for how long nothing was stored */
async function killLeaders(context, kills, gapsMs) {
  const cluster = context.own(await startNatsCluster(REPLICAS));
  const stream = await openStreamAdmin(context, cluster.urls);
  const producer = await startProducer(context, {
    servers: cluster.urls,
    stream: { replicas: REPLICAS },
    rate: RATE,
    journal: { directory: `${context.directory}/${cluster.servers[0].port}` },
  });
  const killedAtMs = [];
  for (let kill = 1; kill <= kills; kill += 1) {
    const leader = await waitFor(
      () => 'the replicas do not agree',
      () => leaderInSync(cluster, stream),
      context,
    );
    await pause(context, 200 + 300 * context.random());
    killedAtMs.push(Date.now());
    await leader.kill('SIGKILL');
    await producer.drained();
    await leader.restart();
    context.progress(`kill ${gapsMs.length + kill}`);
  }
  await producer.finish();
  await cluster.ready();
  const { times, ...figures } = await account({ servers: cluster.urls, producers: [producer], times: true });
  gapsMs.push(...gapsAfter(times, killedAtMs));
  await cluster.close();
  return figures;
}

/** Two kills must not take a majority of what is current. @returns the leader, once all have all */
async function leaderInSync(cluster, stream) {
  const { leader, replicas = [] } = (await stream.info())?.cluster ?? {};
  const current = replicas.filter((replica) => replica.current && !replica.offline);
  return leader !== undefined && current.length === REPLICAS - 1 && cluster.servers[Number(leader.slice(1)) - 1];
}
