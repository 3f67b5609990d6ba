// Durable records per second of the journal, and what an append takes.
import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { openJournal } from '@spanledger/audit';
import { sealedEvents } from '../events.mjs';
import { input, pipelined, report, timed } from '../measure.mjs';
import { percentile } from '../statistics.mjs';

const directory = await mkdtemp(path.join(input.directory, 'journal-'));
const journal = openJournal({ directory, producer: 'bench', retentionMs: 0 });
const append = (event) => {
  const outcome = journal.append(event);
  if (outcome.status !== 'written') throw outcome.error;
  return outcome.position;
};

const records = sealedEvents(input.warmup, 100, input.recordBytes);
const durable = async (i) => {
  const position = append(records[i % records.length]);
  await journal.whenDurable(position);
  journal.acknowledge(position);
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

const appends = [];
const events = sealedEvents(input.warmup);
for (let i = 0; i < input.count; i += 1) {
  const started = process.hrtime.bigint();
  const position = append(events[i % events.length]);
  appends.push(Number(process.hrtime.bigint() - started) / 1000);
  journal.acknowledge(position);
  // As spans end: some in a turn, then the event loop has its turn.
  if (i % input.batch === 0) await new Promise((resolve) => setImmediate(resolve));
}
await journal.close();
await rm(directory, { recursive: true });

appends.sort((a, b) => a - b);
latencies.sort((a, b) => a - b);
report({
  perSecond: input.count / seconds,
  cpuUs: (cpuSeconds / input.count) * 1e6,
  durableP99Ms: percentile(latencies, 0.99),
  appendP50Us: percentile(appends, 0.5),
  appendP99Us: percentile(appends, 0.99),
});
