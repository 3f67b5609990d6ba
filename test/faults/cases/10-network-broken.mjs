// The network between client and server: resets, also in the middle of a message; acknowledgements that vanish; a peer that
// is gone and never said so.
import { startFaultProxy, startNats } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { pause, waitFor } from '../lib/wait.mjs';

const DETECT_MAX_MS = 15_000;
/** What the poll and a busy machine add to it. */
const TOLERANCE_MS = 500;

export default {
  number: 10,
  title: 'connection cut, half-open, acknowledgements lost',
  quick: true,
  minimum: { quick: { offered: 3_000, faults: 6 }, full: { offered: 400_000, faults: 100 } },

  async run(context) {
    const server = context.own(await startNats());
    const proxy = context.own(await startFaultProxy(server.url));
    const producer = await startProducer(context, { program: 'service', servers: proxy.url });
    const detectedMs = [];
    const faults = {
      reset: () => proxy.cutAll(),
      resetWithin: () => proxy.cutMidFrame(),
      loseAnswers: () => swallow(() => proxy.dropServerToClient()),
      loseRequests: () => swallow(() => proxy.dropClientToServer()),
      halfOpen: async () => detectedMs.push(await untilDetected()),
    };

    async function swallow(begin) {
      begin();
      await pause(context, 300 + 500 * context.random());
      proxy.resume();
    }

    /** The client itself has to find out. */
    async function untilDetected() {
      const startedMs = performance.now();
      const { accepted } = proxy;
      proxy.dropClientToServer();
      proxy.dropServerToClient();
      await waitFor(
        () => 'the client does not notice',
        () => proxy.connections === 0 || proxy.accepted > accepted,
        context,
      );
      proxy.resume();
      return performance.now() - startedMs;
    }

    await producer.drained(); // The stream is there.
    const plan = planOf(context);
    for (const [i, name] of plan.entries()) {
      await waitFor(
        () => 'no connection',
        () => proxy.connections > 0,
        context,
      );
      await pause(context, 200 + 400 * context.random());
      await faults[name]();
      // A connection needs up to two seconds to come back, so not every cut waits until all is stored.
      if (i % 4 === 3) await producer.drained();
      context.progress(`${i + 1} of ${plan.length}: ${name}`);
    }
    await producer.finish();
    const figures = await account({ servers: server.url, producers: [producer] });
    const slowest = Math.max(0, ...detectedMs);
    if (slowest > DETECT_MAX_MS + TOLERANCE_MS) figures.problems.push(`it took ${slowest} ms to notice a dead peer`);
    if (detectedMs.length > 0) figures.notes.detected_max_ms = slowest;
    return { faults: plan.length, ...figures };
  },
};

/** Which fault comes when: each kind as often as named here, in a seeded order. */
function planOf({ quick, random }) {
  const counts = quick
    ? { reset: 2, resetWithin: 2, loseAnswers: 1, loseRequests: 1 }
    : { reset: 35, resetWithin: 35, loseAnswers: 15, loseRequests: 10, halfOpen: 5 };
  return Object.entries(counts)
    .flatMap(([name, count]) => Array.from({ length: count }, () => ({ name, key: random() })))
    .sort((a, b) => a.key - b.key)
    .map(({ name }) => name);
}
