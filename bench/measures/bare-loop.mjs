// What a reader does at least: nats.js consumes the same messages, and each is parsed and hashed.
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { sha256 } from '../events.mjs';
import { input, report, timed } from '../measure.mjs';

const connection = await connect({ servers: input.url });
const consumer = await jetstream(connection).consumers.get(input.stream);
const decoder = new TextDecoder();
let count = 0;
const { seconds } = await timed(async () => {
  for await (const message of await consumer.consume({ max_messages: 2_000 })) {
    if (JSON.parse(decoder.decode(message.data)).run_id === undefined) throw new Error('no event');
    sha256(message.data);
    count += 1;
    if (count === input.events) break;
  }
});
await connection.close();
report({ perSecond: count / seconds });
