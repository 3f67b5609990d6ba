/*
 * The journal's disk is full: for real (a memory disk with ballast in it), and in single writes (ENOSPC by strace, where
 * there is one). Every event is either accepted, and there later, or refused and counted; with room it goes on.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { accountOf } from '../journal/account.mjs';
import { Child, findWhenDead } from '../journal/children.mjs';
import { below } from '../journal/events.mjs';
import { Outcome } from '../journal/outcome.mjs';
import { judgeTrace, straceWith } from '../journal/traced-syncs.mjs';
import { CannotRunHere, mountTmpfs, requireStrace } from '../lib/requirements.mjs';

const DISK_BYTES = 1_500_000;
const BALLAST_BYTES_MIN = 900_000;
const BALLAST_BYTES_MAX = 1_300_000;
const SEGMENT_BYTES = 16_384;
const REFUSED_MIN = 50;
const ACCEPTED_AFTER_MIN = 100;
const ROUNDS = { quick: 1, full: 10 };
const TASK = { burst: 10, stay: true, options: { segmentBytes: SEGMENT_BYTES, retentionMs: 600_000 } };
const FULL = 'SPANLEDGER_JOURNAL_FULL';

export default {
  number: 16,
  title: 'journal disk full (ENOSPC)',
  quick: true,
  minimum: { quick: { offered: 500, faults: 1 }, full: { offered: 5_000, faults: 10 } },
  timeoutS: { full: 900 },

  async run(context) {
    const outcome = new Outcome();
    outcome.notes = { refused: 0, injected: 0 };
    const isTraced = canTrace();
    if (!isTraced) outcome.notes.injected = 'not here: no strace';
    const rounds = ROUNDS[context.quick ? 'quick' : 'full'];
    for (let i = 1; i <= rounds; i += 1) {
      context.signal.throwIfAborted();
      context.progress(`${i} of ${rounds}`);
      await fillDisk(context, outcome, path.join(context.directory, `disk-${i}`));
      if (isTraced) await failWrites(context, outcome, path.join(context.directory, `writes-${i}`));
    }
    return outcome;
  },
};

/** The disk that is full for real is the case; this comes on top. */
function canTrace() {
  try {
    requireStrace('pwrite64');
    return true;
  } catch (error) {
    if (error instanceof CannotRunHere) return false;
    throw error;
  }
}

async function fillDisk(context, outcome, directory) {
  mkdirSync(directory);
  const disk = mountTmpfs(context, DISK_BYTES, path.join(directory, 'tmpfs'));
  const ballast = path.join(disk, 'ballast');
  writeFileSync(
    ballast,
    Buffer.alloc(BALLAST_BYTES_MIN + below(context.random, BALLAST_BYTES_MAX - BALLAST_BYTES_MIN)),
  );
  const task = { ...TASK, directory: disk, events: Number.MAX_SAFE_INTEGER, wait: false, pauseMs: 5 };
  const producer = context.own(new Child('producer.mjs', task, { output: path.join(directory, 'producer.out') }));
  await producer.says('-', REFUSED_MIN);
  rmSync(ballast);
  const acceptedSoFar = producer.lines.filter((line) => line.startsWith('+')).length;
  await producer.says('+', acceptedSoFar + ACCEPTED_AFTER_MIN);
  producer.signal('SIGTERM');
  await producer.says('stays');
  const account = accountOf(await producer.kill());
  outcome.faults += 1;
  await check(outcome, 'full disk', account, disk, path.join(directory, 'found.out'));
}

async function failWrites(context, outcome, directory) {
  mkdirSync(directory);
  const log = path.join(directory, 'strace');
  const when = `${1 + below(context.random, 40)}+${2 + below(context.random, 9)}`;
  const before = straceWith(log, `pwrite64:error=ENOSPC:when=${when}`);
  // Slow enough for a journal that leaves a full disk alone for a tenth of a second.
  const task = { ...TASK, directory, events: 400, pauseMs: 25 };
  const producer = context.own(
    new Child('producer.mjs', task, { output: path.join(directory, 'producer.out'), before }),
  );
  await producer.says('stays');
  const account = accountOf(await producer.kill());
  const { injected, falselyDurable } = judgeTrace(log);
  outcome.faults += injected;
  outcome.notes.injected += injected;
  if (falselyDurable.length > 0) outcome.problem(`${when}: ${falselyDurable[0]} was called durable and was not`);
  await check(outcome, `writes failing at ${when}`, account, directory, path.join(directory, 'found.out'));
}

/** The host knows of every event that it is not in the journal: each was refused, by this code, and counted. */
async function check(outcome, where, account, directory, output) {
  const found = await findWhenDead(account.folder, { directory }, output);
  outcome.count(where, account, found);
  outcome.notes.refused += account.refused.length;
  if (account.refused.some((code) => code !== FULL)) outcome.problem(`${where}: refused with another code`);
  if (account.refusedSaid !== account.refused.length) {
    outcome.problem(`${where}: ${account.refused.length} were refused, ${account.refusedSaid} are counted`);
  }
  if (found.lost.length > 0) outcome.problem(`${where}: ${JSON.stringify(found.lost)} are said to be lost`);
  if (found.damages.some(({ kind }) => kind !== 'torn')) outcome.problem(`${where}: a verdict of damage`);
}
