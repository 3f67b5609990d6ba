// The server stops in the middle of everything, for longer than a publish may take, and goes on: nobody knows what it had
// stored, so all of it is published again.
import { startNats } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { pause } from '../lib/wait.mjs';

export default {
  number: 9,
  title: 'nats-server frozen (SIGSTOP)',
  quick: true,
  minimum: { quick: { offered: 5_000, faults: 2 }, full: { offered: 200_000, faults: 5 } },

  async run(context) {
    const [freezes, frozenMs, publishTimeoutMs] = context.quick ? [2, 1_500, 500] : [5, 10_000, 5_000];
    const server = context.own(await startNats());
    const producer = await startProducer(context, { servers: server.url, sink: { publishTimeoutMs } });
    for (let freeze = 1; freeze <= freezes; freeze += 1) {
      await pause(context, 500 + 500 * context.random());
      await server.pause();
      await pause(context, frozenMs);
      server.resume();
      await producer.drained();
      context.progress(`freeze ${freeze} of ${freezes}`);
    }
    await producer.finish();
    const faults = producer.stderr.split('no acknowledgement within').length - 1;
    return { faults, ...(await account({ servers: server.url, producers: [producer] })) };
  },
};
