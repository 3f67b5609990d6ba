// The server is killed while events go on being offered: how memory grows meanwhile, and how fast the backlog drains once the
// server is back. The server is this process's own.
import { setTimeout as delay } from 'node:timers/promises';
import { connectNats, ensureStream } from '@spanledger/jetstream';
import { startNats } from '@spanledger/testkit';
import { input, report } from '../measure.mjs';
import { forSeconds, offer } from '../pace.mjs';
import { startService } from '../service.mjs';
import { median, slope } from '../statistics.mjs';

const SAMPLE_MS = 100;
const POLL_MS = 5;
const MIB = 1024 * 1024;
/** Of the time in which memory is watched: its first and its last part are compared. */
const END_PART = 0.2;

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

/** Memory once the queue is full: before, it grows to its bound. */
async function duringOutage() {
  const samples = [];
  let bytesBefore = -1;
  const sampling = setInterval(() => {
    const { bytes } = pipeline.health().queue;
    if (bytes === bytesBefore) samples.push([performance.now() / 60_000, process.memoryUsage.rss() / MIB]);
    bytesBefore = bytes;
  }, SAMPLE_MS);
  await offer(input.perSecond, forSeconds(input.seconds), record);
  clearInterval(sampling);
  const rss = samples.map(([, mib]) => mib);
  const part = Math.max(1, Math.floor(rss.length * END_PART));
  return {
    rssGrowthMb: rss.length === 0 ? 0 : median(rss.slice(-part)) - median(rss.slice(0, part)),
    rssMbPerMinute: rss.length === 0 ? 0 : slope(samples),
  };
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
