// The ceiling: core NATS publish of the same bytes to a subject that no stream keeps, to the last flush.
import { connect } from '@nats-io/transport-node';
import { sealedEvents } from '../events.mjs';
import { fastest, input, report } from '../measure.mjs';

const FLUSH_EVERY = 1_000;
const connection = await connect({ servers: input.url });
const publish = async (events) => {
  for (const [i, event] of events.entries()) {
    connection.publish('bench.core', event.bytes);
    if (i % FLUSH_EVERY === FLUSH_EVERY - 1) await connection.flush();
  }
  await connection.flush();
};

report(await fastest(input, (count) => sealedEvents(count), publish));
