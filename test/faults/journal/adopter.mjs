/*
 * A process that adopts all that dead ones have left, and says what it finds before it goes on:
 *
 *   adopted <folder> <events> <unacknowledged> <reported|open>
 *   e <position> <hash> <1 if acknowledged, else 0>
 *   lost <from> <to>
 *   damage <torn|corrupt> <offset> <bytes> <file>
 *   k <position>  acknowledged in a moment
 *   reported      its end is marked as reported
 *   gone          the adopted journal has been removed
 *   failed <code> <message>
 *   closed
 *
 * Its one argument is what to do, as JSON: `directory`, `options` of the journal, `folder` (this one alone, dead or not),
 * `finish`: report, acknowledge all, and wait until it is removed; `stay`: say `looked`, and keep what was adopted until standard
 * input ends.
 */
import { once } from 'node:events';
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { openJournal } from '@spanledger/audit';

const task = JSON.parse(process.argv[2]);
const say = (line) => writeSync(1, `${line}\n`);
const journal = openJournal({
  directory: task.directory,
  producer: 'faults',
  segmentBytes: 8_192,
  retentionMs: 0,
  onProblem: (error) => say(`failed ${error.code} ${error.message}`),
  ...task.options,
});

for (const folder of task.folder === undefined ? await journal.adoptable() : [task.folder]) {
  try {
    await adopt(folder);
  } catch (error) {
    say(`failed ${error.code} ${error.message}`);
  }
}
if (task.stay) {
  say('looked');
  await once(process.stdin.resume(), 'end');
}
await journal.close();
say('closed');

async function adopt(folder) {
  const adopted = await journal.adopt(folder);
  say(`adopted ${folder} ${adopted.events} ${adopted.unacknowledged} ${adopted.isReported ? 'reported' : 'open'}`);
  for (const { from, to } of adopted.lost) say(`lost ${from} ${to}`);
  for (const { kind, offset, bytes, file } of adopted.damages) say(`damage ${kind} ${offset} ${bytes} ${file}`);
  const positions = [];
  for await (const { position, event, acknowledged } of adopted.read()) {
    say(`e ${position} ${event.hash} ${acknowledged ? 1 : 0}`);
    positions.push(position);
  }
  if (!task.finish) return;
  adopted.markReported();
  say('reported');
  for (const position of positions) {
    say(`k ${position}`);
    adopted.acknowledge(position);
  }
  while (adopted.bytes > 0) await sleep(2);
  say('gone');
}
