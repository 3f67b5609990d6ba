// The server's disk is full: it stops storing, and comes back on a larger one.
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { startNats } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { mountTmpfs } from '../lib/requirements.mjs';
import { openStreamAdmin } from '../lib/stream-admin.mjs';
import { pause, waitFor } from '../lib/wait.mjs';

const DISK = '12m';
const LARGER = '1g';

export default {
  number: 15,
  title: "the server's disk full (12 MB)",
  quick: true,
  minimum: { quick: { offered: 8_000, faults: 1 }, full: { offered: 200_000, faults: 1 } },

  async run(context) {
    // It may believe that there is room: what is shown is a write that fails.
    const server = context.own(await startNats({ jetstream: 'max_file_store: 8GB' }));
    await server.stop();
    const disk = mountTmpfs(context, DISK, path.join(server.dir, 'store'));
    await server.restart();
    const stream = await openStreamAdmin(context, server.url);
    await stream.create({}); // Not compressed: it is to fill.
    const producer = await startProducer(context, { servers: server.url, padBytes: 1_000 });
    await waitFor(
      () => 'the disk does not fill',
      () => /no space left|out of .*resources/i.test(server.log),
      context,
    );
    const { messages: storedBefore } = (await stream.info())?.state ?? { messages: 0 };
    await waitFor(
      () => 'no alarm',
      () => producer.stderr.includes('alarm: '),
      context,
    );
    context.progress('the disk is full');
    await pause(context, context.quick ? 2_000 : 60_000);
    execFileSync('mount', ['-o', `remount,size=${LARGER}`, disk]);
    await server.restart();
    await producer.drained();
    await producer.finish();
    const figures = await account({ servers: server.url, producers: [producer] });
    figures.notes.stored_before = storedBefore;
    return { faults: 1, ...figures };
  },
};
