/*
 * A process that writes a journal, and says each step through its standard output before it goes on:
 *
 *   folder <path>        the journal is open
 *   + <position> <hash>  accepted
 *   - <seq> <code>       refused
 *   k <position>         acknowledged in a moment
 *   d <position>         on the disk up to here;  n <position> <code>: not
 *   p <code> <errno>     a problem was reported
 *   r <count>            refused, as the journal counts them
 *   closed <code|ok>     the end
 *
 * Its one argument is what to do, as JSON: `directory`, `options` of the journal, `events` (how many), `burst` (how many in
 * one turn), `paddingMax`, `acknowledge` (share), `wait` (for each burst to be on the disk), `pauseMs` after each burst, `stay`. SIGTERM ends the events.
 */
import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openJournal } from '@spanledger/audit';
import { sealedEvent } from './events.mjs';

const task = { events: 100, burst: 10, paddingMax: 800, acknowledge: 0, wait: true, pauseMs: 0, ...readTask() };
const say = (line) => writeSync(1, `${line}\n`);
const journal = openJournal({
  directory: task.directory,
  producer: 'faults',
  segmentBytes: 8_192,
  onProblem: (error) => say(`p ${error.code} ${error.cause?.code ?? ''}`),
  ...task.options,
});
say(`folder ${journal.folder}`);
const runId = randomUUID();
let acknowledged = 0;

function append(seq) {
  const event = sealedEvent(runId, seq, (seq * 37) % task.paddingMax);
  const outcome = journal.append(event);
  say(outcome.status === 'written' ? `+ ${outcome.position} ${event.hash}` : `- ${seq} ${outcome.error.code}`);
}

/** All but every tenth of the first ones, so that neither whole segments nor all of them go. */
function acknowledgeSome() {
  for (const end = Math.floor(journal.position * task.acknowledge); acknowledged < end;) {
    acknowledged += 1;
    if (task.acknowledge < 1 && acknowledged % 30 === 0) continue;
    say(`k ${acknowledged}`);
    journal.acknowledge(acknowledged);
  }
}

async function becomeDurable(position) {
  try {
    await journal.whenDurable(position);
    say(`d ${position}`);
  } catch (error) {
    say(`n ${position} ${error.code}`);
  }
}

let stopping = false;
process.once('SIGTERM', () => (stopping = true));
for (let seq = 1; seq <= task.events && !stopping;) {
  for (const end = Math.min(seq + task.burst - 1, task.events); seq <= end; seq += 1) append(seq);
  if (task.wait && journal.position > 0) await becomeDurable(journal.position);
  acknowledgeSome();
  await sleep(task.pauseMs);
}
say(`r ${journal.stats.refused}`);
if (task.stay) {
  say('stays');
  // Its standard input ends with whoever started it: under a tracer that is killed it would otherwise stay for good.
  process.stdin.on('end', () => process.exit()).resume();
} else {
  say(
    `closed ${await journal.close().then(
      () => 'ok',
      (error) => error.code,
    )}`,
  );
}

function readTask() {
  return JSON.parse(process.argv[2]);
}
