/*
 * `fdatasync` answers EIO: once, every second time, or for ever. What it covered is written and synced elsewhere; nobody is
 * told that an event is on the disk which is not; and what was accepted survives the kill that follows. Whether it was on the disk is
 * read from the record of the system calls.
 */
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { accountOf } from '../journal/account.mjs';
import { Child, eachOf, findWhenDead } from '../journal/children.mjs';
import { below } from '../journal/events.mjs';
import { Outcome } from '../journal/outcome.mjs';
import { judgeTrace, straceWith } from '../journal/traced-syncs.mjs';
import { requireStrace } from '../lib/requirements.mjs';

const ROUNDS = { quick: 1, full: 20 };
const WHEN = {
  once: (random) => `${1 + below(random, 12)}`,
  'every second': (random) => `${1 + below(random, 6)}+2`,
  'for ever': (random) => `${1 + below(random, 12)}+`,
};

export default {
  number: 17,
  title: 'fdatasync fails (EIO)',
  quick: true,
  minimum: { quick: { offered: 300, faults: 5 }, full: { offered: 6_000, faults: 200 } },
  timeoutS: { full: 1_200 },

  async run(context) {
    requireStrace('fdatasync');
    const outcome = new Outcome();
    outcome.notes = { durable_answers: 0, false_answers: 0 };
    const rounds = Object.entries(WHEN).flatMap(([how, when]) =>
      Array.from({ length: ROUNDS[context.quick ? 'quick' : 'full'] }, () => ({ how, when: when(context.random) })),
    );
    await eachOf(rounds, async ({ how, when }, i) => {
      context.signal.throwIfAborted();
      context.progress(`${i + 1} of ${rounds.length}: ${how}`);
      const directory = path.join(context.directory, `${i}`);
      mkdirSync(directory);
      await round(outcome, `${how} (${when})`, when, directory);
      rmSync(directory, { recursive: true });
    });
    return outcome;
  },
};

async function round(outcome, where, when, directory) {
  const log = path.join(directory, 'strace');
  const before = straceWith(log, `fdatasync:error=EIO:when=${when}`);
  const task = { directory, events: 120, burst: 6, stay: true, options: { retentionMs: 600_000 } };
  const producer = new Child('producer.mjs', task, { output: path.join(directory, 'producer.out'), before });
  await producer.says('stays');
  const account = accountOf(await producer.kill());
  const found = await findWhenDead(account.folder, { directory }, path.join(directory, 'found.out'));
  outcome.count(where, account, found);
  const { injected, falselyDurable, said } = judgeTrace(log);
  outcome.faults += injected;
  outcome.notes.durable_answers += said;
  outcome.notes.false_answers += falselyDurable.length;
  if (falselyDurable.length > 0) outcome.problem(`${where}: ${falselyDurable[0]} was called durable and was not`);
  if (account.refused.length !== account.refusedSaid) outcome.problem(`${where}: refused events are not counted`);
}
