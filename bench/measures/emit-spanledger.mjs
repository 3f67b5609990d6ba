// Acknowledged events per second from `audit.emit`: envelope, seal, journal, JetStream, acknowledgement.
import { setImmediate as turn, setTimeout as delay } from 'node:timers/promises';
import { fastest, input, report } from '../measure.mjs';
import { startService } from '../service.mjs';

/** Events in one turn of the event loop, as many messages are handled at once. */
const PER_TURN = 100;
/** Without an outcome, before the service waits: what it offers is what is acknowledged. */
const WAITING_MAX = 4_096;

const { pipeline, record, stop } = await startService(input);
const emit = async (count) => {
  for (let i = 0; i < count; i += 1) {
    record(i);
    if (i % PER_TURN !== PER_TURN - 1) continue;
    await turn();
    while (pipeline.health().queue.events > WAITING_MAX) await delay(1);
  }
  if (!(await pipeline.flush())) throw new Error('the events were not acknowledged within 30 s');
  if (pipeline.health().losses.events > 0) throw new Error('events were lost');
};

const best = await fastest(input, (count) => count, emit);
await stop();
report(best);
