// The only server dies and comes back, again and again: what it had acknowledged is there, what it had not comes again.
import { startNats } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { percentile, resumedAfter } from '../lib/gaps.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { pause } from '../lib/wait.mjs';

const RESUME_MAX_MS = 10_000;

export default {
  number: 3,
  title: 'nats-server killed (R1)',
  quick: true,
  minimum: { quick: { offered: 2_500, faults: 3 }, full: { offered: 200_000, faults: 50 } },

  async run(context) {
    const kills = context.quick ? 3 : 50;
    const server = context.own(await startNats());
    const producer = await startProducer(context, { program: 'service', servers: server.url });
    const backAtMs = [];
    for (let kill = 1; kill <= kills; kill += 1) {
      await pause(context, 200 + 600 * context.random());
      await server.kill('SIGKILL');
      await pause(context, 200 * context.random());
      await server.restart();
      backAtMs.push(Date.now());
      await producer.drained();
      context.progress(`kill ${kill} of ${kills}`);
    }
    await producer.finish();
    const { times, ...figures } = await account({ servers: server.url, producers: [producer], times: true });
    const resumedMs = resumedAfter(times, backAtMs);
    const slowest = Math.max(...resumedMs);
    if (slowest > RESUME_MAX_MS) figures.problems.push(`it took ${slowest} ms to resume`);
    Object.assign(figures.notes, { resume_p50_ms: percentile(resumedMs, 0.5), resume_max_ms: slowest });
    return { faults: kills, ...figures };
  },
};
