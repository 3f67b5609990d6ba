// A process dies by kill -9, in the middle of everything, again and again; the next one finds its journal.
import { startNats } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { runHeirs } from '../lib/heirs.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { pause } from '../lib/wait.mjs';

/** Of so many processes one is a whole service, which needs longer to start. */
const SERVICE_EVERY = 5;

export default {
  number: 1,
  title: 'process killed (kill -9)',
  quick: true,
  minimum: { quick: { offered: 4_000, faults: 5 }, full: { offered: 1_000_000, faults: 200 } },
  timeoutS: { full: 1_800 },

  async run(context) {
    const [kills, livesMs] = context.quick ? [5, 600] : [200, 1_150];
    const server = context.own(await startNats());
    const options = {
      servers: server.url,
      journal: { directory: `${context.directory}/journal`, retentionMs: 10_000 },
    };
    const producers = [];
    for (let kill = 1; kill <= kills; kill += 1) {
      const program = kill % SERVICE_EVERY === 0 ? 'service' : 'pipeline';
      const producer = await startProducer(context, { ...options, program });
      producers.push(producer);
      await pause(context, livesMs * (0.5 + context.random()));
      await producer.kill();
      context.progress(`kill ${kill} of ${kills}`);
    }
    const startedMs = performance.now();
    const heirs = await runHeirs(context, options);
    const inheritedS = (performance.now() - startedMs) / 1000;
    const figures = await account({ servers: server.url, producers: [...producers, ...heirs] });
    Object.assign(figures.notes, { heirs: heirs.length, inherited_after_s: inheritedS });
    return { faults: kills, ...figures };
  },
};
