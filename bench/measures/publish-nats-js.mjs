// Acknowledged events per second of nats.js `js.publish`, the same bytes and message ids, at the best of several windows.
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { messageId } from '@spanledger/protocol';
import { sealedEvents } from '../events.mjs';
import { fastest, input, pipelined, report } from '../measure.mjs';

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

report(await fastest(input, (count) => sealedEvents(count), publish));
