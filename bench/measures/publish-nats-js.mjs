// Acknowledged events per second of nats.js `js.publish`, the same bytes and message ids, at the best of several windows.
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { messageId } from '@spanledger/protocol';
import { sealedEvents } from '../events.mjs';
import { input, pipelined, report, timed } from '../measure.mjs';

// nats.js takes a stack trace of every request unless it is told not to.
const js = jetstream(await connect({ servers: input.url, noAsyncTraces: !input.asyncTraces }));
const publish = (events, windowMax) =>
  pipelined(events.length, windowMax, (i) => {
    const event = events[i];
    return js.publish(event.subject, event.bytes, {
      msgID: messageId(event),
      expect: { streamName: input.stream },
    });
  });

let best;
for (const windowMax of input.windows) {
  await publish(sealedEvents(input.warmup), windowMax);
  const events = sealedEvents(input.count);
  const { seconds, cpuSeconds } = await timed(() => publish(events, windowMax));
  const perSecond = input.count / seconds;
  if (best === undefined || perSecond > best.perSecond) {
    best = { perSecond, cpuUs: (cpuSeconds / input.count) * 1e6, windowMax };
  }
}
report(best);
