/*
 * The machine loses power while a journal is written. Everything whose `whenDurable` had resolved is there afterwards; what
 * was only accepted may be missing, from its end on.
 *
 * One cut in three stops the file system in the middle of whatever it does, such as a sync. The others stop the process
 * (SIGSTOP) and take the disk when it stands still; half of those after the kernel has written out some pages that nobody
 * asked it to sync, in any order. Half of all disks are slow to sync.
 */
import { mkdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { accountOf, findingsOf } from '../journal/account.mjs';
import { Child, runChild } from '../journal/children.mjs';
import { segmentFiles } from '../journal/damage.mjs';
import { below } from '../journal/events.mjs';
import { Outcome } from '../journal/outcome.mjs';
import { PowerDisk } from '../journal/power.mjs';

const CUTS = { quick: 6, full: 50 };
const RUN_MS_MAX = 1_500;
const HOW = ['at once', 'stopped', 'pages'];
const SYNC_DELAY_MS = 40;
const PAGE_BYTES = 4_096;

export default {
  number: 6,
  title: 'host power cut',
  quick: true,
  minimum: { quick: { offered: 500, faults: 6 }, full: { offered: 10_000, faults: 50 } },
  timeoutS: { quick: 120, full: 1_200 },

  async run(context) {
    const outcome = new Outcome();
    outcome.notes = { not_durable_lost: 0, holes: 0 };
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
  if (how === 'at once') {
    disk.cut();
    // What it says for a moment after the cut counts too: nothing can have reached the disk since.
    await delay(50);
  } else producer.signal('SIGSTOP');
  if (how === 'pages') writeOutSome(context.random, disk, accountOf(producer.lines).folder);
  disk.copyTo(after);
  const account = accountOf(await producer.kill());
  disk.close();
  after.mount();
  const { lines } = await runChild('adopter.mjs', { directory: after.place }, { output: path.join(directory, 'found.out') });
  after.close();
  outcome.faults += 1;
  judge(outcome, how, account, lines);
}

function startProducer(random, directory, output) {
  const wait = random() < 0.7;
  const task = {
    directory,
    events: 100_000,
    burst: 1 + below(random, 200),
    wait,
    pauseMs: wait ? 0 : 3,
    options: { segmentBytes: 65_536, maxBytes: 16 * 1024 * 1024 },
  };
  const syncDelayMs = random() < 0.5 ? SYNC_DELAY_MS : 0;
  return new Child('producer.mjs', task, { output, syncDelayMs });
}

function writeOutSome(random, disk, folder) {
  for (const file of segmentFiles(folder).slice(-3)) {
    const pages = Math.ceil(statSync(file).size / PAGE_BYTES);
    for (let page = 0; page < pages; page += 1) if (random() < 0.5) disk.writeOutPage(file, page);
  }
}

function judge(outcome, how, account, lines) {
  const name = path.basename(account.folder);
  for (const line of lines) if (line.startsWith('failed')) outcome.problem(`${how}: ${line}`);
  const found = [...findingsOf(lines)].find(([folder]) => path.basename(folder) === name)?.[1];
  const isExcused = (position) => position > account.durable;
  outcome.count(how, account, found, { isExcused, inFlightMax: 1 });
  const last = Math.max(0, ...(found?.events ?? []).map(({ position }) => position));
  outcome.notes.not_durable_lost += account.accepted.size - (found?.events.length ?? 0);
  const holes = (found?.lost ?? []).length + (found?.damages ?? []).filter(({ kind }) => kind === 'corrupt').length;
  outcome.notes.holes += holes;
  if (holes > 0) outcome.problem(`${how}: ${JSON.stringify(found.lost)}, ${JSON.stringify(found.damages)}, last ${last}`);
}
