/*
 * The machine loses power while a journal is written. Everything whose `whenDurable` had resolved is there afterwards; what
 * was only accepted may be missing: from its end on, or, where the kernel had written out later pages first, in between, and is
 * then named. A power cut is never called corruption.
 *
 * One cut in three stops the file system in the middle of whatever it does, such as a sync. The others stop the process
 * (SIGSTOP) and take the disk when it stands still; half of those after the kernel has written out some pages that nobody
 * asked it to sync, in any order. Most disks are slow to sync.
 */
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { accountOf, findingsOf } from '../journal/account.mjs';
import { Child, runChild } from '../journal/children.mjs';
import { framesOf, segmentFiles } from '../journal/damage.mjs';
import { below } from '../journal/events.mjs';
import { Outcome } from '../journal/outcome.mjs';
import { PowerDisk } from '../journal/power.mjs';

const CUTS = { quick: 6, full: 50 };
const RUN_MS_MAX = 1_500;
const HOW = ['at once', 'stopped', 'pages'];
const SYNC_DELAY_MS = [0, 40, 2_000];
const PAGE_BYTES = 4_096;
const SEGMENT_BYTES = [65_536, 1_048_576];
/** The kernel takes the neighbours too where it keeps them in one large page. */
const PAGES_WRITTEN = 3;

export default {
  number: 6,
  title: 'host power cut',
  quick: true,
  minimum: { quick: { offered: 500, faults: 6 }, full: { offered: 10_000, faults: 50 } },
  timeoutS: { full: 1_200 },

  async run(context) {
    const outcome = new Outcome();
    outcome.notes = { not_durable_lost: 0, cuts_with_holes: 0 };
    const cuts = CUTS[context.quick ? 'quick' : 'full'];
    for (let i = 1; i <= cuts; i += 1) {
      context.signal.throwIfAborted();
      context.progress(`cut ${i} of ${cuts}`);
      const directory = path.join(context.directory, `${i}`);
      mkdirSync(directory);
      await cut(context, outcome, directory, HOW[i % HOW.length]);
      rmSync(directory, { recursive: true });
    }
    return outcome;
  },
};

async function cut(context, outcome, directory, how) {
  const disk = context.own(new PowerDisk(directory, 'disk').format().mount());
  const after = context.own(new PowerDisk(directory, 'after'));
  const producer = context.own(startProducer(context.random, disk.place, path.join(directory, 'producer.out')));
  await producer.says('+', 1);
  await delay(context.random() * RUN_MS_MAX);
  // Without power nobody is told anything: what a sync answers while the file system is being stopped under it does not count.
  const { durable } = accountOf(producer.lines);
  if (how === 'at once') disk.cut();
  else producer.signal('SIGSTOP');
  if (how === 'pages') writeOutSome(context.random, disk, accountOf(producer.lines));
  disk.copyTo(after);
  const account = accountOf(await producer.kill());
  if (how === 'at once') account.durable = durable;
  disk.close();
  after.mount();
  const { lines } = await runChild(
    'adopter.mjs',
    { directory: after.place },
    { output: path.join(directory, 'found.out') },
  );
  after.close();
  outcome.faults += 1;
  judge(outcome, how, account, lines);
}

function startProducer(random, directory, output) {
  const wait = random() < 0.7;
  const task = {
    directory,
    events: 100_000,
    burst: 1 + below(random, 400),
    wait,
    pauseMs: wait ? 0 : 3,
    options: { segmentBytes: SEGMENT_BYTES[below(random, SEGMENT_BYTES.length)], maxBytes: 16 * 1024 * 1024 },
  };
  return new Child('producer.mjs', task, { output, syncDelayMs: SYNC_DELAY_MS[below(random, SYNC_DELAY_MS.length)] });
}

/** Of the pages with frames that were not synced: the earlier ones are still in memory only. */
function writeOutSome(random, disk, { folder, durable }) {
  const unsynced = segmentFiles(folder).flatMap((file) =>
    framesOf(readFileSync(file))
      .filter(({ position }) => position > durable)
      .map(({ offset }) => ({ file, page: Math.floor(offset / PAGE_BYTES) })),
  );
  for (let i = 0; i < PAGES_WRITTEN && unsynced.length > 0; i += 1) {
    const { file, page } = unsynced[below(random, unsynced.length)];
    disk.writeOutPage(file, page);
  }
}

function judge(outcome, how, account, lines) {
  for (const line of lines) if (line.startsWith('failed')) outcome.problem(`${how}: ${line}`);
  const name = path.basename(account.folder);
  const found = [...findingsOf(lines)].find(([folder]) => path.basename(folder) === name)?.[1];
  const isExcused = (position) => position > account.durable;
  outcome.count(how, account, found, { isExcused, inFlightMax: 1 });
  outcome.notes.not_durable_lost += account.accepted.size - (found?.events.length ?? 0);
  if (found === undefined) return;
  if (found.lost.length > 0) outcome.notes.cuts_with_holes += 1;
  if (found.damages.some(({ kind }) => kind === 'corrupt')) outcome.problem(`${how}: a verdict of corruption`);
  checkHolesAreSaid(outcome, how, found);
}

/** What is missing before something that is there is named: only a tail may be missing without a word. */
function checkHolesAreSaid(outcome, how, found) {
  const there = new Set(found.events.map(({ position }) => position));
  const isSaid = (position) => found.lost.some(({ from, to }) => position >= from && position <= to);
  const last = found.events.at(-1)?.position ?? 0;
  for (let position = 1; position < last; position += 1) {
    if (!there.has(position) && !isSaid(position))
      return outcome.problem(`${how}: nobody said that ${position} is lost`);
  }
}
