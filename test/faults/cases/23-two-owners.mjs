/*
 * Two processes and one journal. While its owner lives, running or stopped, nobody else gets it; once it is dead, exactly one
 * of many does. A copy of a live journal is a fork: what is in it is published a second time, and must be the same bytes under
 * the same numbers, so that a reader sees no conflict.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { accountOf, findingsOf } from '../journal/account.mjs';
import { Child, runChild } from '../journal/children.mjs';
import { below } from '../journal/events.mjs';
import { Outcome } from '../journal/outcome.mjs';

const ROUNDS = { quick: 3, full: 50 };
const RIVALS = 4;

export default {
  number: 23,
  title: 'two processes, one journal',
  quick: true,
  minimum: { quick: { offered: 900, faults: 20 }, full: { offered: 15_000, faults: 450 } },
  timeoutS: { full: 1_200 },

  async run(context) {
    const outcome = new Outcome();
    const rounds = ROUNDS[context.quick ? 'quick' : 'full'];
    outcome.notes = { refused_while_alive: 0, won_after_death: 0, forked_events: 0 };
    for (let i = 1; i <= rounds; i += 1) {
      context.signal.throwIfAborted();
      context.progress(`round ${i} of ${rounds}`);
      await round(context, outcome, path.join(context.directory, `${i}`));
    }
    return outcome;
  },
};

async function round(context, outcome, directory) {
  mkdirSync(directory);
  const task = { directory, events: 400, paddingMax: 300, pauseMs: 20, stay: true, options: { retentionMs: 600_000 } };
  const owner = new Child('producer.mjs', task, { output: path.join(directory, 'owner.out') });
  await owner.says('d ', 2 + below(context.random, 30));
  const { folder } = accountOf(owner.lines);
  const fork = path.join(path.dirname(folder), 'fork');
  // With its sockets, as a backup of a volume has them: nobody listens on the copies.
  execFileSync('cp', ['-R', folder, fork]);
  outcome.faults += 1;
  const forked = await adopt(directory, 'fork');
  await expectRefused(outcome, directory, folder);
  await owner.says('stays');
  owner.signal('SIGSTOP');
  await expectRefused(outcome, directory, folder);
  const account = accountOf(await owner.kill());
  const contenders = await adoptTogether(directory);
  outcome.faults += RIVALS;
  const winners = contenders.filter((findings) => findings.has(folder));
  if (winners.length !== 1) outcome.problem(`${winners.length} of ${RIVALS} got the journal of a dead process`);
  outcome.notes.won_after_death += winners.length;
  outcome.count('the original', account, winners[0]?.get(folder));
  checkFork(outcome, account, forked.get(fork));
}

/** Nobody finds it among the dead, and who asks for it by name is refused. */
async function expectRefused(outcome, directory, folder) {
  const answers = await Promise.all(
    Array.from({ length: 2 }, (_, i) =>
      runChild('adopter.mjs', { directory, folder }, { output: `${directory}/refused-${i}.out` }),
    ),
  );
  for (const { lines } of answers) {
    outcome.faults += 1;
    const isRefused = lines.some((line) => line.startsWith('failed SPANLEDGER_JOURNAL_LOCKED'));
    if (isRefused) outcome.notes.refused_while_alive += 1;
    if (!isRefused || lines.some((line) => line.startsWith('adopted'))) outcome.problem('a live journal was adopted');
  }
}

async function adopt(directory, name) {
  return findingsOf((await runChild('adopter.mjs', { directory }, { output: `${directory}/${name}.out` })).lines);
}

/** Each keeps what it got until all have looked: one who starts late does not find it dead once more. */
async function adoptTogether(directory) {
  const rivals = Array.from({ length: RIVALS }, (_, i) => {
    return new Child('adopter.mjs', { directory, stay: true }, { output: `${directory}/rival-${i}.out` });
  });
  try {
    await Promise.all(rivals.map((rival) => rival.says('looked')));
    for (const rival of rivals) rival.release();
    return await Promise.all(rivals.map(async (rival) => findingsOf((await rival.end()).lines)));
  } finally {
    await Promise.all(rivals.map((rival) => rival.close()));
  }
}

/** Whatever the copy caught: a prefix, or less where a frame was being written. */
function checkFork(outcome, account, found) {
  if (found === undefined) return outcome.problem('the copy of a live journal was not adopted');
  outcome.notes.forked_events += found.events.length;
  if (found.events.length === 0) outcome.problem('the copy of a live journal has no events');
  const seen = new Set();
  for (const { position, hash } of found.events) {
    if (account.accepted.get(position) !== hash) outcome.problem(`the copy has other bytes at ${position}`);
    if (seen.has(position)) outcome.duplicates += 1;
    seen.add(position);
  }
}
