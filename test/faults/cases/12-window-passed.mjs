// Acknowledgements vanish for longer than the server remembers message ids: what comes again is stored a second time, and a
// reader must not see it.
import { startFaultProxy, startNats } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { pause } from '../lib/wait.mjs';

const WINDOW_MS = 1_000;
const RETENTION_MS = 3_000;

export default {
  number: 12,
  title: 'published again after the duplicate window',
  quick: true,
  minimum: { quick: { offered: 6_000, faults: 2 }, full: { offered: 100_000, faults: 20 } },

  async run(context) {
    const rounds = context.quick ? 2 : 20;
    const server = context.own(await startNats());
    const proxy = context.own(await startFaultProxy(server.url));
    const producer = await startProducer(context, {
      servers: proxy.url,
      stream: { duplicateWindowMs: WINDOW_MS },
      // A stream that has forgotten an id looks like one that has lost the event: all that is kept here is published again.
      journal: { directory: `${context.directory}/journal`, retentionMs: RETENTION_MS },
    });
    await producer.drained(); // The stream is there.
    for (let round = 1; round <= rounds; round += 1) {
      await pause(context, 300 + 300 * context.random());
      proxy.dropServerToClient();
      await pause(context, 2 * WINDOW_MS);
      proxy.resume();
      await producer.drained();
      context.progress(`round ${round} of ${rounds}`);
    }
    await producer.finish();
    const figures = await account({ servers: server.url, producers: [producer] });
    if (figures.notes.copies === 0) figures.problems.push('the server stored nothing twice: nothing was shown');
    return { faults: rounds, ...figures };
  },
};
