import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

const IN_FLIGHT = 2_000;
/** Nothing comes for this long: the reading has failed. */
const STALLED_MS = 60_000;

/**
 * Calls `visit` for each message of a stream as it is now, in order. Nothing of ours takes part.
 *
 * @param {object} from
 * @param {number} [from.fromSeq] the first one, by its number in the stream
 * @returns how many
 */
export async function readStream({ servers, stream = 'AUDIT_EVENTS', fromSeq = 1 }, visit) {
  const connection = await connect({ servers, maxReconnectAttempts: -1, waitOnFirstConnect: true });
  try {
    const manager = await jetstreamManager(connection, { timeout: 30_000 });
    const { state, config } = await manager.streams.info(stream);
    const { messages, last_seq: lastSeq } = state;
    const duplicateWindowMs = config.duplicate_window / 1e6;
    if (messages === 0 || lastSeq < fromSeq) return 0;
    const consumer = await jetstream(connection).consumers.get(stream, { opt_start_seq: fromSeq });
    let count = 0;
    const reading = await consumer.consume({ max_messages: IN_FLIGHT });
    const stalled = setInterval(() => stalledAt(), STALLED_MS);
    let countBefore = -1;
    const stalledAt = () => {
      if (count === countBefore) reading.stop();
      countBefore = count;
    };
    try {
      for await (const message of reading) {
        visit({
          bytes: message.data,
          streamSeq: message.seq,
          subject: message.subject,
          storedAtMs: message.info.timestampNanos / 1e6,
          duplicateWindowMs,
        });
        count += 1;
        if (message.seq >= lastSeq) return count;
      }
    } finally {
      clearInterval(stalled);
    }
    throw new Error(`the stream could not be read to its end: ${count} of ${messages} messages`);
  } finally {
    await connection.close();
  }
}
