// Ten times the usual rate for a minute, more than what is here can store: memory stays within its bound, and what is shed is
// counted and reported. A second process, with no journal and little memory, surely sheds: meanwhile the server stands still.
import { startNats } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { pause } from '../lib/wait.mjs';

const BURST = 10;
const MIB = 2 ** 20;
const QUEUE_MAX_BYTES = 64 * MIB;
/** As the journal documents it: events that the disk has not synced. */
const UNSYNCED_MAX_BYTES = 64 * MIB;
/** What may be held costs up to three times its bytes in memory (objects, headers, garbage), beside the process itself. */
const RSS_GROWTH_MAX_BYTES = 3 * (QUEUE_MAX_BYTES + UNSYNCED_MAX_BYTES);
/** The application is served meanwhile. */
const LOOP_P99_MAX_MS = 20;
const SMALL_QUEUE_MAX_BYTES = MIB;
const SHED_MIN = 100;
const SHED_DEADLINE_MS = 180_000;

export default {
  number: 22,
  title: 'burst, 10 × the rate',
  quick: true,
  mayReportLosses: true,
  minimum: { quick: { offered: 30_000, faults: 1 }, full: { offered: 1_000_000, faults: 1 } },

  async run(context) {
    const burstMs = context.quick ? 4_000 : 60_000;
    const server = context.own(await startNats());
    const producer = await startProducer(context, {
      servers: server.url,
      pipeline: { queueMaxBytes: QUEUE_MAX_BYTES },
    });
    await pause(context, 2_000);
    const { offered: offeredBefore, rssBytes: rssBefore } = await producer.says('it says nothing', () => true);
    producer.resetLoop();
    producer.setRate(producer.rate * BURST);
    const endAtMs = Date.now() + burstMs;
    let rssMax = 0;
    while (Date.now() < endAtMs) {
      await pause(context, 250);
      rssMax = Math.max(rssMax, producer.stats.rssBytes);
      context.progress(`${producer.stats.offered} offered, RSS ${Math.round(producer.stats.rssBytes / MIB)} MiB`);
    }
    const { loopP99Ms, offered } = producer.stats;
    producer.setRate(producer.rate);
    await producer.drained(300_000);
    rssMax = Math.max(rssMax, producer.stats.rssBytes);
    await producer.finish();
    const small = await shedSome(context, server);
    const figures = await account({ servers: server.url, producers: [producer, small] });
    if (figures.lost === 0) figures.problems.push('nothing was shed: nothing was shown');
    const grownBytes = rssMax - rssBefore;
    if (grownBytes > RSS_GROWTH_MAX_BYTES) figures.problems.push(`memory grew by ${Math.round(grownBytes / MIB)} MiB`);
    if (loopP99Ms > LOOP_P99_MAX_MS && !context.quick) figures.problems.push(`the event loop was ${loopP99Ms} ms late`);
    Object.assign(figures.notes, {
      burst_per_second: Math.round((offered - offeredBefore) / (burstMs / 1000)),
      loop_p99_ms: loopP99Ms,
      rss_before_mib: Math.round(rssBefore / MIB),
      rss_max_mib: Math.round(rssMax / MIB),
    });
    return { faults: 1, ...figures };
  },
};

/** @returns a producer that has lost some of its events, and has ended */
async function shedSome(context, server) {
  const small = await startProducer(context, {
    servers: server.url,
    journal: false,
    pipeline: { queueMaxBytes: SMALL_QUEUE_MAX_BYTES },
  });
  await server.pause();
  await small.says('it sheds nothing', ({ health }) => health.losses.events > SHED_MIN, SHED_DEADLINE_MS);
  server.resume();
  await small.drained();
  await small.finish();
  return small;
}
