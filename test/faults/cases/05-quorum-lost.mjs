// Two of three servers are gone for ten minutes, and nothing can be stored: everything waits here, memory stays flat, and
// it is stored afterwards, faster than more is offered.
import { startNatsCluster } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { publishCeiling } from '../lib/ceiling.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { openStreamAdmin } from '../lib/stream-admin.mjs';
import { pause, waitFor } from '../lib/wait.mjs';

/** Of the rate at which events go on being offered; or of what these servers store at all, if that is less. */
const DRAIN_RATIO_MIN = 5;
const REPLICAS = 3;
/** As large as those that are drained. */
const MESSAGES = { replicas: REPLICAS, messageBytes: 500 };
const MIB = 2 ** 20;
/** Until then queue and heap find their size. */
const SETTLING_SHARE = 0.1;
/** What a garbage collector may leave more of at the end than it did then. */
const RSS_GROWTH_MAX_MIB = 64;

export default {
  number: 5,
  title: 'quorum lost (2 of 3 stopped)',
  quick: true,
  minimum: { quick: { offered: 8_000, faults: 1 }, full: { offered: 1_000_000, faults: 1 } },
  timeoutS: { full: 2_700 },

  async run(context) {
    const lostMs = context.quick ? 4_000 : 600_000;
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
    const rssMib = [];
    while (Date.now() - lostAtMs < lostMs) {
      await pause(context, 1_000);
      const { health, rssBytes } = producer.stats;
      const waiting = health.journal?.unacknowledged ?? health.queue.events;
      rssMib.push(Math.round(rssBytes / MIB));
      context.progress(`${waiting} events wait, RSS ${rssMib.at(-1)} MiB`);
    }
    await Promise.all([first.restart(), second.restart()]);
    await producer.drained(600_000);
    const drainedAtMs = Date.now();
    await producer.finish();
    const { times, ...figures } = await account({ servers: cluster.urls, producers: [producer], times: true });
    const backAt = times.find((time) => time > lostAtMs + lostMs);
    const drained = times.filter((time) => time >= backAt && time <= drainedAtMs).length;
    const drainPerSecond = (drained / (drainedAtMs - backAt)) * 1000;
    // Three servers share what cores there are with whoever publishes: on a small machine that is the limit.
    const ceiling = context.quick ? undefined : await publishCeiling(context, cluster.urls, MESSAGES);
    Object.assign(figures.notes, {
      drain_ratio: drainPerSecond / producer.rate,
      drained,
      drain_s: (drainedAtMs - backAt) / 1000,
      drain_per_second: drainPerSecond,
      ...(ceiling !== undefined && { ceiling_per_second: ceiling }),
      rss_settled_mib: rssMib[Math.floor(rssMib.length * SETTLING_SHARE)],
      rss_mib: rssMib.at(-1),
    });
    if (!context.quick) figures.problems.push(...misses(figures.notes));
    return { faults: 1, ...figures };
  },
};

/** Of the figures; in small they say nothing. */
function misses({ drain_ratio: ratio, drain_per_second: drain, ceiling_per_second: ceiling, ...memory }) {
  const { rss_settled_mib: settled, rss_mib: atEnd } = memory;
  return [
    ratio < DRAIN_RATIO_MIN && drain < ceiling && `drained at ${ratio} × the rate, and the servers store ${ceiling}/s`,
    atEnd - settled > RSS_GROWTH_MAX_MIB && `memory grew from ${settled} to ${atEnd} MiB`,
  ].filter(Boolean);
}
