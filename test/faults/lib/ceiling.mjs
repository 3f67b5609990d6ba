import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

const STREAM = 'CEILING';
const SUBJECT = 'ceiling';
const COUNT = 200_000;
/** nats.js is fastest with many in flight. */
const WINDOW = 1_024;

/**
 * What a cluster stores at most of such messages when nothing else goes on, published by nats.js to a stream of its own.
 *
 * @returns messages per second
 */
export async function publishCeiling(context, servers, { replicas, messageBytes }) {
  const connection = context.own(await connect({ servers, noAsyncTraces: true }));
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: STREAM,
    subjects: [SUBJECT],
    num_replicas: replicas,
    duplicate_window: 600_000_000_000,
  });
  const client = jetstream(connection, { timeout: 60_000 });
  const message = Buffer.alloc(messageBytes, 'x');
  const startedMs = performance.now();
  let next = 0;
  const lane = async () => {
    while (next < COUNT) await client.publish(SUBJECT, message, { msgID: `ceiling-${(next += 1)}` });
  };
  await Promise.all(Array.from({ length: WINDOW }, lane));
  return (COUNT / (performance.now() - startedMs)) * 1_000;
}
