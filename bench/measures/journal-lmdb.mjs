// Durable records per second of lmdb, which gathers what is put in one turn into a transaction and syncs it off the event
// loop, as the journal does.
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { open } from 'lmdb';
import { sealedEvents } from '../events.mjs';
import { input, pipelined, report, timed } from '../measure.mjs';
import { percentile } from '../statistics.mjs';

const directory = await mkdtemp(path.join(input.directory, 'lmdb-'));
const store = open({ path: path.join(directory, 'store'), encoding: 'binary', keyEncoding: 'uint32' });
const records = sealedEvents(input.warmup, 100, input.recordBytes);
let key = 0;
const durable = async (i) => {
  await store.put((key += 1), Buffer.from(records[i % records.length].bytes));
  // `put` resolves when its transaction is committed, `flushed` when it is on the disk.
  await store.flushed;
};

await pipelined(input.warmup, input.inFlight, durable);
const latencies = [];
const { seconds, cpuSeconds } = await timed(() =>
  pipelined(input.count, input.inFlight, async (i) => {
    const started = performance.now();
    await durable(i);
    latencies.push(performance.now() - started);
  }),
);
await store.close();
await rm(directory, { recursive: true });
latencies.sort((a, b) => a - b);
report({
  perSecond: input.count / seconds,
  cpuUs: (cpuSeconds / input.count) * 1e6,
  durableP99Ms: percentile(latencies, 0.99),
});
