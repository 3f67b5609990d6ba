// The stream takes no more, says so, and later has room again. Without a journal: what waits is in memory.
import { startNats } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { openStreamAdmin } from '../lib/stream-admin.mjs';
import { pause, waitFor } from '../lib/wait.mjs';

const ROOM = 100;
const ALARM_MAX_MS = 5_000;
const FULL = /alarm: .*10077/g;

export default {
  number: 14,
  title: 'stream full (10077), then larger',
  quick: true,
  minimum: { quick: { offered: 3_000, faults: 2 }, full: { offered: 100_000, faults: 5 } },

  async run(context) {
    const [rounds, fullMs] = context.quick ? [2, 1_000] : [5, 8_000];
    const server = context.own(await startNats());
    const stream = await openStreamAdmin(context, server.url);
    await stream.create({ max_msgs: ROOM });
    const producer = await startProducer(context, { servers: server.url, journal: false });
    const alarms = () => producer.stderr.match(FULL)?.length ?? 0;
    const alarmedMs = [];
    for (let round = 1; round <= rounds; round += 1) {
      await waitFor(() => 'the stream does not fill', isFull, context);
      const fullAtMs = performance.now();
      await waitFor(
        () => `no alarm: ${producer.stderr}`,
        () => alarms() >= round,
        context,
      );
      alarmedMs.push(performance.now() - fullAtMs);
      await pause(context, fullMs);
      await stream.update({ max_msgs: -1 });
      await producer.drained();
      context.progress(`round ${round} of ${rounds}`);
      if (round < rounds) await stream.update({ max_msgs: (await stream.info()).state.messages + ROOM });
    }
    await producer.finish();
    const figures = await account({ servers: server.url, producers: [producer] });
    const slowest = Math.max(...alarmedMs);
    if (slowest > ALARM_MAX_MS && !context.quick) figures.problems.push(`the alarm came after ${slowest} ms`);
    figures.notes.alarm_max_ms = slowest;
    return { faults: rounds, ...figures };

    async function isFull() {
      const { config, state } = (await stream.info()) ?? {};
      return state !== undefined && state.messages >= config.max_msgs;
    }
  },
};
