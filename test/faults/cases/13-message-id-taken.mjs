// Somebody reads what is about to be published, and is faster: junk under the same message id, for which the server drops
// ours as a duplicate.
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { startNats } from '@spanledger/testkit';
import { startProducer } from '../lib/producer-process.mjs';
import { startPublishProxy } from '../lib/publish-proxy.mjs';
import { openStreamAdmin } from '../lib/stream-admin.mjs';
import { accountAmongStrangers } from '../lib/strangers.mjs';
import { waitFor } from '../lib/wait.mjs';

const SUBJECT = 'auditEvent.none.none.mallory';
const SHARE = 0.2;
/** What can be known beforehand by whoever knows the event. */
const PREDICTABLE = /^[\w-]+:\d+:[0-9a-f]{16}$/;
/** What is stored in the place of an event: no event, nothing at all, an event that is changed, the event itself. */
const JUNK = [
  () => Buffer.from('junk'),
  () => Buffer.alloc(0),
  (data) => Buffer.from(data.toString().replace('"ts":"2', '"ts":"1')),
  (data) => data,
];

export default {
  number: 13,
  title: 'message ids taken by somebody else',
  quick: true,
  minimum: { quick: { offered: 4_000, faults: 1_000 }, full: { offered: 80_000, faults: 20_000 } },

  async run(context) {
    const faults = context.quick ? 1_200 : 24_000;
    const server = context.own(await startNats());
    await (await openStreamAdmin(context, server.url)).create({});
    const mallory = jetstream(context.own(await connect({ servers: server.url })), { timeout: 30_000 });
    const strangers = new Set();
    const proxy = context.own(await startPublishProxy(server.url, takeId));
    const producer = await startProducer(context, { servers: proxy.url });
    await waitFor(
      () => `only ${strangers.size} ids were taken`,
      () => strangers.size >= faults,
      { deadlineMs: 600_000, signal: context.signal },
    );
    await producer.finish();
    const figures = await accountAmongStrangers({ servers: server.url, producers: [producer], strangers });
    if (!producer.stderr.includes('uses our message ids')) figures.problems.push('nobody was told');
    return { faults: strangers.size, ...figures };

    async function takeId({ messageId, data }) {
      if (strangers.size < faults && PREDICTABLE.test(messageId) && context.random() < SHARE) {
        const junk = JUNK[strangers.size % JUNK.length](data);
        const { seq, duplicate } = await mallory.publish(SUBJECT, junk, { msgID: messageId });
        // One that was published before and comes again is not for the taking.
        if (!duplicate) strangers.add(seq);
        context.progress(`${strangers.size} of ${faults} ids taken`);
      }
      return true;
    }
  },
};
