// Acknowledged events per second of our sink, from sealed bytes.
import { connectNats, jetStreamSink } from '@spanledger/jetstream';
import { sealedEvents } from '../events.mjs';
import { input, report, timed } from '../measure.mjs';

const connection = await connectNats({ servers: input.url });
const sink = jetStreamSink({ connection, stream: input.stream });
const write = async (events) => {
  const outcomes = await Promise.all(events.map((event) => sink.writeEvent(event)));
  const stored = outcomes.filter((outcome) => outcome.status === 'stored').length;
  if (stored !== events.length) throw new Error(`${stored} of ${events.length} events stored`);
};

await write(sealedEvents(input.warmup));
const events = sealedEvents(input.count);
const { seconds, cpuSeconds } = await timed(() => write(events));
report({ perSecond: input.count / seconds, cpuUs: (cpuSeconds / input.count) * 1e6 });
