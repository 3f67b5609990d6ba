// The only server dies and comes back, again and again: what it had acknowledged is there, what it had not comes again.
import { startNats } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { addUp } from '../lib/add-up.mjs';
import { percentile, resumedAfter } from '../lib/gaps.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { pause } from '../lib/wait.mjs';

const RESUME_MAX_MS = 10_000;

export default {
  number: 3,
  title: 'nats-server killed (R1)',
  quick: true,
  minimum: { quick: { offered: 2_500, faults: 3 }, full: { offered: 200_000, faults: 50 } },
  timeoutS: { full: 1_800 },

  async run(context) {
    // A server that was killed reads its whole stream when it starts: several small streams, or that is all one sees.
    const [servers, kills] = context.quick ? [1, 3] : [10, 5];
    const resumedMs = [];
    const parts = [];
    for (let server = 0; server < servers; server += 1) {
      parts.push(await killOne(context, kills, resumedMs));
      context.progress(`${resumedMs.length} of ${servers * kills} kills`);
    }
    const figures = addUp(parts);
    const slowest = Math.max(...resumedMs);
    if (slowest > RESUME_MAX_MS && !context.quick) figures.problems.push(`it took ${slowest} ms to resume`);
    Object.assign(figures.notes, { resume_p50_ms: percentile(resumedMs, 0.5), resume_max_ms: slowest });
    return { faults: servers * kills, ...figures };
  },
};

/** Kills a server of its own so often. @param {number[]} resumedMs is told how long after its return something was stored */
async function killOne(context, kills, resumedMs) {
  const server = context.own(await startNats());
  const journal = { directory: `${context.directory}/${server.port}` };
  const producer = await startProducer(context, { program: 'service', servers: server.url, journal });
  await producer.drained(); // The stream is there.
  const backAtMs = [];
  for (let kill = 1; kill <= kills; kill += 1) {
    await pause(context, 200 + 600 * context.random());
    await server.kill('SIGKILL');
    await pause(context, 200 * context.random());
    await server.restart();
    backAtMs.push(Date.now());
    await producer.drained();
  }
  await producer.finish();
  const { times, ...figures } = await account({ servers: server.url, producers: [producer], times: true });
  resumedMs.push(...resumedAfter(times, backAtMs));
  await server.close();
  return figures;
}
