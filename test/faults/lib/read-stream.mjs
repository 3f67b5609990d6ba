import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { waitFor } from './wait.mjs';

const IN_FLIGHT = 2_000;
/** Nothing comes for this long: the reading has failed. */
const STALLED_MS = 60_000;
const REQUEST_MS = 2_000;
/** How long servers that were killed may take to find each other again. */
const READY_MS = 120_000;

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
    const manager = await jetstreamManager(connection, { checkAPI: false, timeout: REQUEST_MS });
    const { state, config } = await untilAnswered(() => manager.streams.info(stream));
    const { messages, last_seq: lastSeq } = state;
    const duplicateWindowMs = config.duplicate_window / 1e6;
    if (messages === 0 || lastSeq < fromSeq) return 0;
    const consumer = await untilAnswered(() => jetstream(connection).consumers.get(stream, { opt_start_seq: fromSeq }));
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

/** Nobody answers a request that came while there was no leader, also not when there is one: it has to be asked again. */
async function untilAnswered(request) {
  let refusal;
  const ask = () => request().catch((error) => void (refusal = error));
  return waitFor(() => `the stream cannot be read: ${refusal}`, ask, { deadlineMs: READY_MS });
}
