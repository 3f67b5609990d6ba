// Acknowledged events per second from sealed bytes: journal, our sink, acknowledged in the journal; or, with `memoryOnly`,
// our sink alone.
import { setImmediate as turn } from 'node:timers/promises';
import { connectNats, jetStreamSink } from '@spanledger/jetstream';
import { sealedEvents } from '../events.mjs';
import { fastest, input, report } from '../measure.mjs';
import { openBenchJournal } from '../service.mjs';

/** Written in one turn of the event loop, and not yet acknowledged, at most. */
const PER_TURN = 256;
const IN_FLIGHT_MAX = 4_096;

const connection = await connectNats({ servers: input.url });
const sink = jetStreamSink({ connection, stream: input.stream });
const { journal, remove } = await openBenchJournal(input.directory);

function write(event, settled) {
  if (input.memoryOnly) return sink.writeEvent(event).then(settled);
  const appended = journal.append(event);
  if (appended.status !== 'written') throw appended.error;
  sink.writeEvent(event).then((outcome) => {
    journal.acknowledge(appended.position);
    settled(outcome);
  });
}

async function writeAll(events) {
  let stored = 0;
  let waiting = 0;
  let wake;
  const settled = (outcome) => {
    if (outcome.status === 'stored') stored += 1;
    waiting -= 1;
    if (waiting < IN_FLIGHT_MAX) wake?.();
  };
  for (let i = 0; i < events.length; i += PER_TURN) {
    const batch = events.slice(i, i + PER_TURN);
    waiting += batch.length;
    for (const event of batch) write(event, settled);
    await turn();
    while (waiting >= IN_FLIGHT_MAX) await new Promise((resolve) => (wake = resolve));
  }
  while (waiting > 0) await turn();
  if (stored !== events.length) throw new Error(`${stored} of ${events.length} events stored`);
}

const best = await fastest(input, (count) => sealedEvents(count), writeAll);
await journal.close();
await remove();
report(best);
