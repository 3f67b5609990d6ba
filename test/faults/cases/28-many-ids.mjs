// A million different ids pass through one process: workflows, executions, stages, steps, callers. Nothing may remember them all.
import { startNats } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { startProducer } from '../lib/producer-process.mjs';

const IDS_PER_RUN = 5;
/** In small the heap has not found its size yet, and garbage waits for as long as the machine is busy. */
const GROWTH_MAX_BYTES = { quick: 200 * 1024 * 1024, full: 50 * 1024 * 1024 };
/** Until then caches are filled and code is compiled. In ids. */
const WARM_UP = { quick: 10_000, full: 100_000 };
/** After that, whenever it was seen: of a process that gets little time, what it says is old. */
const IDS = { quick: 55_000, full: 1_020_000 };
const RUNS = 64;

export default {
  number: 28,
  title: 'a million different ids',
  quick: true,
  minimum: { quick: { offered: 10_000, faults: 50_000 }, full: { offered: 200_000, faults: 1_000_000 } },
  timeoutS: { full: 1_800 },

  async run(context) {
    const form = context.quick ? 'quick' : 'full';
    const server = context.own(await startNats());
    const producer = await startProducer(context, {
      program: 'many-ids',
      servers: server.url,
      journal: { directory: `${context.directory}/journal` },
      runs: RUNS,
      eventsPerRun: 1,
      rate: 2_000,
    });
    const idsOf = ({ offered }) => offered * IDS_PER_RUN;
    const warm = await producer.says('it is not warm', (stats) => idsOf(stats) >= WARM_UP[form], 300_000);
    let peakBytes = warm.rssBytes;
    const isDone = (stats) => {
      peakBytes = Math.max(peakBytes, stats.rssBytes);
      context.progress(`${idsOf(stats)} ids, ${Math.round(stats.rssBytes / 2 ** 20)} MiB`);
      return idsOf(stats) - idsOf(warm) >= IDS[form];
    };
    const last = await producer.says('it does not come to its end', isDone, 1_500_000);
    await producer.finish();
    const figures = await account({ servers: server.url, producers: [producer] });
    const grownBytes = peakBytes - warm.rssBytes;
    if (grownBytes > GROWTH_MAX_BYTES[form]) figures.problems.push(`memory grew by ${grownBytes} bytes`);
    figures.notes.rss_warm_mib = Math.round(warm.rssBytes / 2 ** 20);
    figures.notes.rss_growth_max_mib = Math.round(grownBytes / 2 ** 20);
    return { faults: idsOf(last) - idsOf(warm), ...figures };
  },
};
