/*
 * Bytes of the server's files change, or their ends are gone: a disk that fails, or somebody who knows where to look. The
 * server starts with what it can still read. What it cut off at the end is noticed and published again (`repaired`); a hole
 * further ahead is not noticed by the producer, and shown by the reader (`reported_by_reader`, which are the lost ones). A damaged
 * block that is compressed costs the whole stream, which the server then removes: nothing counts as stored until a backup has
 * been put back.
 */
import { readFileSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { startFaultProxy, startNats } from '@spanledger/testkit';
import { accountDetected } from '../lib/detected.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { untilQuiet } from '../lib/quiet.mjs';
import { runRounds } from '../lib/rounds.mjs';
import { snapshotStore } from '../lib/store-snapshot.mjs';
import { openStreamAdmin } from '../lib/stream-admin.mjs';
import { pause, waitFor } from '../lib/wait.mjs';

const FLIPPED_BYTES = 8;
const KEPT_SHARE = 0.7;
/** So that a block of 8 MiB is soon full. */
const PAD_BYTES = 8_000;
const RATE = 500;
/** So far before the end that they were acknowledged. */
const TAIL_EVENTS = 100;
/** How the server ended, which of its blocks is damaged, and how; `tail` near its end. */
const PLANS = [
  { signal: 'SIGKILL', block: 'last', damage: 'flip' },
  { signal: 'SIGTERM', block: 'last', damage: 'truncate' },
  { signal: 'SIGKILL', block: 'first', damage: 'flip' },
  { signal: 'SIGKILL', block: 'first', damage: 'flip', compression: 's2' },
];
const MORE_PLANS = [
  { signal: 'SIGKILL', block: 'last', damage: 'truncate' },
  { signal: 'SIGTERM', block: 'last', damage: 'flip', tail: true },
  { signal: 'SIGTERM', block: 'first', damage: 'truncate' },
];
const FULL_TIMES = 3;

export default {
  number: 8,
  title: 'broker block flipped, truncated',
  quick: true,
  mayReportLosses: true,
  minimum: { quick: { offered: 4_000, faults: 4 }, full: { offered: 20_000, faults: 21 } },
  timeoutS: { full: 1_200 },

  run(context) {
    const all = Array.from({ length: FULL_TIMES }, () => [...PLANS, ...MORE_PLANS]).flat();
    return runRounds(context, context.quick ? PLANS : all, runRound);
  },
};

async function runRound(context, plan) {
  const server = context.own(await startNats({ monitoring: true }));
  const proxy = context.own(await startFaultProxy(server.url));
  const stream = await openStreamAdmin(context, server.url);
  await stream.create({ compression: plan.compression ?? 'none' });
  const producer = await startProducer(context, { servers: proxy.url, rate: RATE, padBytes: PAD_BYTES });
  await waitFor(
    () => 'the first block does not fill',
    () => blocksOf(server).length > 1,
    context,
  );
  await pause(context, 500);

  // Nobody stores anything until it is known what is gone.
  proxy.pause();
  const { messages: before } = (await stream.info()).state;
  await server.kill(plan.signal);
  const blocks = blocksOf(server);
  const block = plan.block === 'last' ? blocks.at(-1) : blocks[0];
  const putBack = await snapshotStore(server, path.join(context.directory, 'store'));
  damage(context, block, plan);
  await server.restart();
  const after = plan.compression ? await withoutStream() : await messagesNow();

  proxy.resume();
  await pause(context, 500);
  await producer.drained();
  producer.setRate(0);
  await untilQuiet(context, server);
  await producer.finish();
  const figures = await accountDetected({ servers: server.url, producers: [producer] });
  const { lost } = figures;
  // What is damaged and still counted is found to be missing when it is read.
  const damaged = Math.max(before - after, lost);
  if (damaged <= 0) throw new Error('nothing was damaged');
  if (plan.block === 'last' && !plan.tail && lost > 0) figures.problems.push(`${lost} events are not published again`);
  if (plan.compression && lost > 0) figures.problems.push(`${lost} events are lost although a backup was put back`);
  Object.assign(figures.notes, { damaged, repaired: damaged - lost, reported_by_reader: figures.reported });
  return { faults: 1, ...figures };

  async function messagesNow() {
    const { state } = await waitFor(
      () => 'no stream',
      () => stream.info(),
      context,
    );
    return state.messages;
  }

  /** Nothing may count as stored meanwhile. @returns how many messages there are */
  async function withoutStream() {
    proxy.resume();
    await waitFor(
      () => `nobody is told\n${producer.stderr}`,
      () => /alarm: .*no stream/.test(producer.stderr),
      context,
    );
    const { health } = await producer.says('nothing waits', ({ health: { sink } }) => !sink.healthy, 180_000);
    if (health.journal.unacknowledged === 0) throw new Error('events count as stored, and there is no stream');
    await server.kill('SIGKILL');
    putBack();
    await server.restart();
    return 0;
  }
}

/** The files in which the stream's messages are, oldest first. */
function blocksOf(server) {
  const folder = path.join(server.dir, 'store/jetstream/$G/streams/AUDIT_EVENTS/msgs');
  const names = readdirSync(folder).filter((name) => name.endsWith('.blk'));
  names.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
  return names.map((name) => path.join(folder, name));
}

function damage({ random }, file, { damage: how, tail }) {
  const { size } = statSync(file);
  if (how === 'truncate') {
    truncateSync(file, Math.floor(size * (KEPT_SHARE + 0.2 * random())));
    return;
  }
  const bytes = readFileSync(file);
  const from = tail ? size - TAIL_EVENTS * PAD_BYTES : Math.floor(size * (0.3 + 0.4 * random()));
  for (let at = from; at < from + FLIPPED_BYTES; at += 1) bytes[at] ^= 0x5a;
  writeFileSync(file, bytes);
}
