// Minutes of whatever may come, in any order. One service lives through all of it, and must not grow; another one is killed
// and started again.
import { startFaultProxy, startNats } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { runHeirs } from '../lib/heirs.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { slope } from '../lib/slope.mjs';
import { openStreamAdmin } from '../lib/stream-admin.mjs';
import { pause } from '../lib/wait.mjs';

const MIB = 2 ** 20;
const HOUR_MS = 3_600_000;

export default {
  number: 34,
  title: 'soak: all of it at random',
  quick: true,
  minimum: { quick: { offered: 10_000, faults: 5 }, full: { offered: 500_000, faults: 60 } },
  timeoutS: { full: 1_800 },

  async run(context) {
    const rate = context.quick ? 750 : 1_000;
    const server = context.own(await startNats());
    const proxy = context.own(await startFaultProxy(server.url));
    const stream = await openStreamAdmin(context, server.url);
    const steady = await startProducer(context, {
      program: 'service',
      producer: 'steady',
      rate,
      servers: proxy.url,
      journal: { directory: `${context.directory}/steady` },
    });
    const victimOptions = {
      producer: 'victim',
      rate,
      servers: server.url,
      journal: { directory: `${context.directory}/victim`, retentionMs: 30_000 },
    };
    const startVictim = () => startProducer(context, victimOptions);
    const producers = [steady, await startVictim()];

    const faults = {
      async serverKilled() {
        await server.kill('SIGKILL');
        await server.restart();
      },
      async serverFrozen() {
        await server.pause();
        await pause(context, (context.quick ? 1_000 : 6_000) * context.random());
        server.resume();
      },
      async streamFull() {
        await stream.update({ max_msgs: (await stream.info()).state.messages });
        await pause(context, 1_000 * context.random());
        await stream.update({ max_msgs: -1 });
      },
      async processKilled() {
        await producers.at(-1).kill();
        producers.push(await startVictim());
      },
      connectionCut: () => proxy.cutAll(),
      connectionCutWithin: () => proxy.cutMidFrame(),
      async acknowledgementsLost() {
        proxy.dropServerToClient();
        await pause(context, 1_000 * context.random());
        proxy.resume();
      },
      async networkSlow() {
        proxy.delay(100);
        await pause(context, 2_000 * context.random());
        proxy.delay(0);
      },
    };

    await steady.drained(); // The stream is there.
    const { landed, samples } = await soak(context, steady, faults);
    const victim = producers.at(-1);
    await Promise.all([steady.drained(), victim.drained()]);
    await Promise.all([steady.finish(), victim.finish()]);
    producers.push(...(await runHeirs(context, victimOptions)));
    const figures = await account({ servers: server.url, producers });
    Object.assign(figures.notes, landed, growth(samples));
    return { faults: Object.values(landed).reduce((sum, count) => sum + count, 0), ...figures };
  },
};

/** Causes one fault after the other, in turns that begin anew in another order, and watches the one that lives. */
async function soak(context, steady, faults) {
  const [soakMs, calmMs] = context.quick ? [12_000, 600] : [600_000, 3_000];
  const landed = Object.fromEntries(Object.keys(faults).map((name) => [name, 0]));
  const samples = [];
  const startedMs = Date.now();
  let turn = [];
  const count = () => Object.values(landed).reduce((sum, one) => sum + one, 0);
  while (Date.now() - startedMs < soakMs || count() < context.minimum.faults) {
    if (turn.length === 0) turn = shuffled(Object.keys(faults), context.random);
    const name = turn.pop();
    await faults[name]();
    landed[name] += 1;
    await pause(context, calmMs * context.random());
    const { rssBytes, fds } = steady.whileAlive(steady.stats);
    samples.push({ x: Date.now(), rssBytes, fds });
    context.progress(`${name}, RSS ${Math.round(rssBytes / MIB)} MiB`);
  }
  return { landed, samples };
}

/** Over the second half: before it, heaps and caches find their size. */
function growth(samples) {
  const half = samples.slice(samples.length / 2);
  const perHour = (key) => slope(half.map(({ x, [key]: y }) => ({ x, y }))) * HOUR_MS;
  return {
    rss_mib: Math.round(half.at(-1).rssBytes / MIB),
    rss_slope_mib_per_hour: perHour('rssBytes') / MIB,
    fds: half.at(-1).fds,
    fds_slope_per_hour: perHour('fds'),
  };
}

function shuffled(names, random) {
  return names
    .map((name) => ({ name, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ name }) => name);
}
