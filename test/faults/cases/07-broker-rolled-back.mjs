// The server comes back with a store of some moments ago, as a power cut leaves it where it syncs every two minutes, or a
// backup: acknowledged events are gone. The journals still have them.
import path from 'node:path';
import { startFaultProxy, startNats } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { untilQuiet } from '../lib/quiet.mjs';
import { readStream } from '../lib/read-stream.mjs';
import { runRounds } from '../lib/rounds.mjs';
import { snapshotStore } from '../lib/store-snapshot.mjs';
import { lastSeqOf } from '../lib/stream-admin.mjs';
import { pause, waitFor } from '../lib/wait.mjs';

const RATE = 2_000;
const FILLER_RATE = 20_000;
/** What is said of it comes behind all that is published again. */
const ANNOUNCED_MAX_MS = 300_000;
/**
 * What happens besides. `killed`: the producer, with the server; another one takes over. `filled`: others store events first,
 * so that the numbers of what was lost are taken again. `killedAgain`: the producer, when it has just begun to
 * publish again.
 */
const PLANS = [
  {},
  { killed: true },
  { filled: true },
  { killed: true, filled: true },
  { killedAgain: true },
  { killedAgain: true, filled: true },
];
const FULL_TIMES = 4;
/** Small: what is to come again is in many of them, which are full and could have been removed. */
const SEGMENT_BYTES = 65_536;

export default {
  number: 7,
  title: 'broker rolled back: power cut, backup',
  quick: true,
  minimum: { quick: { offered: 10_000, faults: 6 }, full: { offered: 100_000, faults: 24 } },
  timeoutS: { full: 1_200 },

  run(context) {
    const rounds = Array.from({ length: context.quick ? 1 : FULL_TIMES }, () => PLANS).flat();
    return runRounds(context, rounds, runRound);
  },
};

async function runRound(context, { killed, filled, killedAgain }) {
  const server = context.own(await startNats({ monitoring: true }));
  const proxy = context.own(await startFaultProxy(server.url));
  const filler = await startProducer(context, { producer: 'filler', servers: server.url, rate: 0 });
  const journal = { directory: path.join(context.directory, 'journal'), segmentBytes: SEGMENT_BYTES };
  const producers = [filler];
  let producer;
  await begin();

  await pause(context, 300 + 1_000 * context.random());
  const putBack = await snapshotStore(server, path.join(context.directory, 'store'));
  await pause(context, 300 + 700 * context.random());
  // Nobody stores anything until it is known how much is gone.
  proxy.pause();
  const before = await lastSeqOf(server.url);
  await Promise.all([server.kill('SIGKILL'), killed && producer.kill()]);
  putBack();
  await server.restart();
  const after = await lastSeqOf(server.url);
  if (after >= before) throw new Error(`the stream ends with ${after}, as before with ${before}`);
  if (filled) await fillBeyond(before);
  proxy.resume();
  if (killed) await begin();
  // Of what a killed process had not yet noted as acknowledged, the next one publishes all, and need not look.
  if (!killed)
    await waitFor(() => `nobody says that the stream went backwards\n${producer.stderr}`, isAnnounced, {
      deadlineMs: ANNOUNCED_MAX_MS,
      signal: context.signal,
    });
  if (killedAgain) {
    await producer.kill();
    await begin();
  }
  await pause(context, 500);
  producer.setRate(0);
  await untilQuiet(context, server);
  const announced = Number(await isAnnounced());
  await producer.finish();
  await filler.finish();
  const figures = await account({ servers: server.url, producers, checkpoints: false });
  Object.assign(figures.notes, { lost_by_server: before - after, announced });
  return { faults: 1, ...figures };

  async function begin() {
    producer = await startProducer(context, { servers: proxy.url, rate: RATE, journal });
    producers.push(producer);
  }

  async function fillBeyond(seq) {
    filler.setRate(FILLER_RATE);
    await waitFor(
      () => `nothing is stored: ${filler.stderr}`,
      async () => (await lastSeqOf(server.url)) > seq,
      context,
    );
    filler.setRate(0);
    await filler.drained();
  }

  async function isAnnounced() {
    let found = false;
    await readStream({ servers: server.url, fromSeq: after + 1 }, ({ bytes }) => {
      const { event, producer: name, fields } = JSON.parse(Buffer.from(bytes).toString());
      // Where others have filled the numbers up, it only can be seen that something may be gone.
      const says = fields?.went_backwards === true || (filled && fields?.may_have_lost === true);
      found ||= event === 'audit_export_status' && name === 'faults' && says;
    });
    return found;
  }
}
