// The server is killed while events go on being offered: how memory grows meanwhile, and how fast the backlog drains once the
// server is back. The server is this process's own.
import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { connectNats, ensureStream } from '@spanledger/jetstream';
import { startNats } from '@spanledger/testkit';
import { input, report } from '../measure.mjs';
import { forSeconds, offer } from '../pace.mjs';
import { startService } from '../service.mjs';
import { slope } from '../statistics.mjs';

const SAMPLE_MS = 100;
const POLL_MS = 5;
const MIB = 1024 * 1024;
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

const server = await startNats();
const connection = await connectNats({ servers: server.url });
await ensureStream(connection, { stream: input.stream });
await connection.close();
const { pipeline, journal, record, stop } = await startService({ ...input, url: server.url });
const unacknowledged = () => journal.stats.unacknowledged;
const acknowledged = () => journal.position - unacknowledged();
const until = async (isDone) => {
  while (!isDone()) await delay(POLL_MS);
};

for (let i = 0; i < input.warmup; i += 1) record(i);
if (!(await pipeline.flush())) throw new Error('the events were not acknowledged within 30 s');

await server.kill();
const memory = await duringOutage();
const backlog = unacknowledged();
const drain = await drained();
await pipeline.flush();
if (pipeline.health().losses.events > 0) throw new Error('events were lost');
await stop();
await server.close();
report({ ...memory, backlog, ...drain });

/**
 * Memory once the queue is full: before, it grows to its bound. The resident set goes up and down with the garbage collector, so
 * its lowest values in the first and in the last third are compared; and what is left after a collection at either end.
 */
async function duringOutage() {
  const samples = [];
  let bytesBefore = -1;
  let liveBefore;
  const sampling = setInterval(() => {
    const { bytes } = pipeline.health().queue;
    const isFull = bytes === bytesBefore;
    bytesBefore = bytes;
    if (!isFull) return;
    liveBefore ??= liveMb();
    samples.push([performance.now() / 60_000, process.memoryUsage.rss() / MIB]);
  }, SAMPLE_MS);
  await offer(input.perSecond, forSeconds(input.seconds), record);
  clearInterval(sampling);
  const rss = samples.map(([, mib]) => mib);
  const third = Math.ceil(rss.length / 3);
  return {
    rssGrowthMb: rss.length === 0 ? 0 : Math.min(...rss.slice(-third)) - Math.min(...rss.slice(0, third)),
    rssMbPerMinute: rss.length === 0 ? 0 : slope(samples),
    liveGrowthMb: liveBefore === undefined ? 0 : liveMb() - liveBefore,
  };
}

function liveMb() {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / MIB;
}

/** From the first acknowledgement after the server is back until hardly more is waiting than is offered in a tenth of a second. */
async function drained() {
  let isOver = false;
  const offering = offer(input.perSecond, () => !isOver, record);
  await server.restart();
  const backMs = performance.now();
  const before = acknowledged();
  await until(() => acknowledged() > before);
  const firstMs = performance.now();
  await until(() => unacknowledged() <= input.perSecond / 10);
  const seconds = (performance.now() - firstMs) / 1000;
  const drainedPerSecond = (acknowledged() - before) / seconds;
  isOver = true;
  await offering;
  return { drainedPerSecond, resumeMs: firstMs - backMs };
}
