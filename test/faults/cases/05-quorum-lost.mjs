// Two of three servers are gone for minutes, and nothing can be stored: everything waits here, and is stored afterwards.
import { startNatsCluster } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { openStreamAdmin } from '../lib/stream-admin.mjs';
import { pause, waitFor } from '../lib/wait.mjs';

const DRAIN_RATIO_MIN = 5;
const REPLICAS = 3;

export default {
  number: 5,
  title: 'quorum lost (2 of 3 stopped)',
  quick: true,
  minimum: { quick: { offered: 8_000, faults: 1 }, full: { offered: 1_000_000, faults: 1 } },
  timeoutS: { full: 1_800 },

  async run(context) {
    const lostMs = context.quick ? 4_000 : 300_000;
    const cluster = context.own(await startNatsCluster(REPLICAS));
    const stream = await openStreamAdmin(context, cluster.urls);
    const producer = await startProducer(context, {
      servers: cluster.urls,
      stream: { replicas: REPLICAS },
      padBytes: 0,
      journal: { directory: `${context.directory}/journal`, maxBytes: 8 * 1024 ** 3 },
    });
    await waitFor(
      () => 'no replicas',
      async () => (await stream.info())?.cluster?.replicas?.length === 2,
      context,
    );
    await pause(context, 1_000);
    const [first, second] = cluster.servers;
    await Promise.all([first.kill('SIGKILL'), second.kill('SIGKILL')]);
    const lostAtMs = Date.now();
    while (Date.now() - lostAtMs < lostMs) {
      await pause(context, 1_000);
      const { health, rssBytes } = producer.stats;
      const waiting = health.journal?.unacknowledged ?? health.queue.events;
      context.progress(`${waiting} events wait, RSS ${Math.round(rssBytes / 2 ** 20)} MiB`);
    }
    const { rssBytes: rssAtEnd } = producer.stats;
    await Promise.all([first.restart(), second.restart()]);
    await producer.drained(600_000);
    const drainedAtMs = Date.now();
    await producer.finish();
    const { times, ...figures } = await account({ servers: cluster.urls, producers: [producer], times: true });
    const backAt = times.find((time) => time > lostAtMs + lostMs);
    const drained = times.filter((time) => time >= backAt && time <= drainedAtMs).length;
    const drainRatio = ((drained / (drainedAtMs - backAt)) * 1000) / producer.rate;
    Object.assign(figures.notes, {
      drain_ratio: drainRatio,
      drained,
      drain_s: (drainedAtMs - backAt) / 1000,
      rss_mib: Math.round(rssAtEnd / 2 ** 20),
    });
    if (drainRatio < DRAIN_RATIO_MIN && !context.quick) figures.problems.push(`drained at ${drainRatio} × the rate`);
    return { faults: 1, ...figures };
  },
};
