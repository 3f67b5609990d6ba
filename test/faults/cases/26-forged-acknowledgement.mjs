/*
 * Somebody keeps publishes from the server and answers them himself, on the reply inbox, with numbers that fit: the producer has
 * to believe it. What it says of its runs then shows the reader that they are not whole.
 *
 * `lost` is what was kept from the server and never came again. Of these are `reported` what a reader is shown as missing:
 * by a hole in the numbers of its run, or by a checkpoint that names the run further than it goes. In the second round everything
 * is attacked for a while, the checkpoints included, and what only they have named is not shown one by one: there
 * the hole in the numbers of the checkpoints says that they are missing, and that counts as well (`behind_checkpoints`).
 */
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { startNats } from '@spanledger/testkit';
import { accountDetected } from '../lib/detected.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { startPublishProxy } from '../lib/publish-proxy.mjs';
import { readStream } from '../lib/read-stream.mjs';
import { runRounds } from '../lib/rounds.mjs';
import { openStreamAdmin } from '../lib/stream-admin.mjs';
import { pause, waitFor } from '../lib/wait.mjs';

const STREAM = 'AUDIT_EVENTS';
const SUBJECT = 'auditEvent.none.none.mallory';
const CHECKPOINT_MS = 500;
/** What a busy machine may add to it. */
const TOLERANCE_MS = 1_500;
const EVENTS_PER_RUN = 50;
const ATTACKED_SHARE = 0.3;
/** Which events of an attacked run are kept from the server: one, whose hole shows; its end; all of it. */
const TARGETS = [(seq) => seq === 7, (seq) => seq > EVENTS_PER_RUN / 2, () => true];
/** How many publishes are forged, before it stops. */
const ROUNDS = {
  quick: [{ runs: 350 }, { everything: 600 }],
  full: [{ runs: 3_500 }, { everything: 1_500 }],
};

export default {
  number: 26,
  title: 'forged acknowledgements',
  quick: true,
  mayReportLosses: true,
  minimum: { quick: { offered: 1_500, faults: 900 }, full: { offered: 15_000, faults: 4_000 } },

  run: (context) => runRounds(context, ROUNDS[context.quick ? 'quick' : 'full'], runRound),
};

async function runRound(context, { runs, everything }) {
  const faults = runs ?? everything;
  const server = context.own(await startNats());
  await (await openStreamAdmin(context, server.url)).create({});
  const mallory = await openMallory(context, server.url);
  const isTarget = everything ? () => true : attackOnRuns(context);
  const proxy = context.own(await startPublishProxy(server.url, onPublish));
  const producer = await startProducer(context, {
    servers: proxy.url,
    rate: 300,
    eventsPerRun: EVENTS_PER_RUN,
    pipeline: { checkpointIntervalMs: CHECKPOINT_MS },
  });
  await waitFor(
    () => `only ${mallory.forged.size} acknowledgements were forged\n${producer.stderr}`,
    () => mallory.forged.size >= faults,
    { deadlineMs: 600_000, signal: context.signal },
  );
  const endedAtMs = Date.now();
  await pause(context, 2 * CHECKPOINT_MS);
  await producer.finish();

  const { strangers, forged } = mallory;
  const figures = await accountDetected({ servers: server.url, producers: [producer], strangers });
  const { shownAtMs, stored } = await whatShows(server.url, mallory);
  const missing = [...forged].filter(([id]) => !stored.has(id));
  const shown = missing.filter(([id]) => shownAtMs.has(id));
  // Nothing can show anything while nothing comes through.
  const lateMs = shown.map(([id, atMs]) => shownAtMs.get(id) - (everything ? Math.max(atMs, endedAtMs) : atMs));
  const slowest = Math.max(0, ...lateMs);
  if (slowest > CHECKPOINT_MS + TOLERANCE_MS && !context.quick)
    figures.problems.push(`one was shown only after ${slowest} ms`);
  if (runs && shown.length < missing.length)
    figures.problems.push(`nothing shows ${missing.length - shown.length} of ${missing.length}`);
  const hidden = missing.filter(([id]) => mallory.own.has(id) && !shownAtMs.has(id));
  if (hidden.length > 0)
    figures.problems.push(`${hidden.length} missing events about other events are shown by nothing`);
  if (everything && mallory.own.size === 0) figures.problems.push('no checkpoint was attacked');
  Object.assign(figures.notes, { repaired: forged.size - missing.length, [`shown_max_ms_${runs ? 1 : 2}`]: slowest });
  return { faults: forged.size, ...figures };

  async function onPublish({ reply, data }) {
    const event = JSON.parse(data.toString());
    const forges = mallory.forged.size < faults && isTarget(event);
    if (forges) await mallory.forge(event, reply);
    else mallory.unanswered.add(reply);
    return !forges;
  }
}

/** Some runs, each in one of three ways, and no event about other events. */
function attackOnRuns({ random }) {
  const attacks = new Map();
  return ({ event, run_id: runId, seq }) => {
    if (!attacks.has(runId)) {
      const isAttacked = !event.startsWith('audit_') && random() < ATTACKED_SHARE;
      attacks.set(runId, isAttacked ? TARGETS[Math.floor(random() * TARGETS.length)] : () => false);
    }
    return attacks.get(runId)(seq);
  };
}

/** Answers for the stream, and hears all answers. */
async function openMallory(context, servers) {
  const connection = context.own(await connect({ servers, noEcho: true }));
  const stream = jetstream(connection, { timeout: 30_000 });
  const unanswered = new Set();
  connection.subscribe('_INBOX_faults.>', { callback: (_error, { subject }) => unanswered.delete(subject) });
  await connection.flush();
  const mallory = {
    /** Where the answers to the publishes go that were passed on to the server. */
    unanswered,
    /** Numbers in the stream of what he has put there. */
    strangers: new Set(),
    /** `<run_id>:<seq>`, and when it was answered. */
    forged: new Map(),
    /** Those of them that are events about other events. */
    own: new Set(),

    /** With the number of a message that is there, and that nobody else is answered; in the order of answers. */
    async forge({ event, run_id: runId, seq }, reply) {
      while (unanswered.size > 0) await pause(context, 1);
      const id = `${runId}:${seq}`;
      const filler = await stream.publish(SUBJECT, 'filler');
      mallory.strangers.add(filler.seq);
      if (!mallory.forged.has(id)) mallory.forged.set(id, Date.now());
      if (event.startsWith('audit_')) mallory.own.add(id);
      connection.publish(reply, JSON.stringify({ stream: STREAM, seq: filler.seq }));
      await connection.flush();
    },
  };
  return mallory;
}

/** When the stream held what shows that an event is missing: a later one of its run, or a checkpoint; and what is there. */
async function whatShows(servers, { strangers, forged }) {
  const seqsOf = new Map();
  for (const id of forged.keys()) {
    const [runId, seq] = id.split(':');
    seqsOf.set(runId, [...(seqsOf.get(runId) ?? []), Number(seq)]);
  }
  const stored = new Set();
  const shownAtMs = new Map();
  const show = (runId, lastSeq, atMs) => {
    for (const seq of seqsOf.get(runId) ?? []) {
      const id = `${runId}:${seq}`;
      if (seq <= lastSeq && !shownAtMs.has(id)) shownAtMs.set(id, atMs);
    }
  };
  await readStream({ servers }, ({ bytes, streamSeq, storedAtMs }) => {
    if (strangers.has(streamSeq)) return;
    const { event, run_id: runId, seq, fields } = JSON.parse(Buffer.from(bytes).toString());
    stored.add(`${runId}:${seq}`);
    show(runId, seq - 1, storedAtMs);
    if (event !== 'audit_checkpoint') return;
    for (const head of fields?.runs ?? []) show(head.run_id, head.last_seq, storedAtMs);
  });
  return { stored, shownAtMs };
}
