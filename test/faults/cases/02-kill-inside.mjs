/*
 * SIGKILL at every file system call of the journal, one process each: of the process that writes it, and of the one that
 * adopts it afterwards. The points are not listed here: a run without a kill tells which there are.
 */
import { mkdirSync, readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { accountOf, findingsOf } from '../journal/account.mjs';
import { runChild } from '../journal/children.mjs';
import { below } from '../journal/events.mjs';
import { flipByte } from '../journal/damage.mjs';
import { Outcome } from '../journal/outcome.mjs';

const KILLS_PER_POINT = { quick: 2, full: 20 };
/** What a journal cannot do without; if a change of the code moves one elsewhere, this case must learn it. */
const POINTS_REQUIRED = [
  'writeSync segment middle',
  'writeSync acks middle',
  'write spare middle',
  'fdatasync segment before',
  'fdatasync segment after',
  'fsync folder before',
  'renameSync segment after',
  'ftruncateSync segment after',
  'linkSync lock after',
  'rm segment after',
];
const ADOPTER_POINTS_REQUIRED = [
  'linkSync quarantine after',
  'openSync reported after',
  'rm segment after',
  'rm lock after',
];

export default {
  number: 2,
  title: 'killed inside write, sync, ack, rotate, adopt',
  quick: true,
  minimum: { quick: { offered: 5_000, faults: 100 }, full: { offered: 50_000, faults: 1_000 } },
  timeoutS: { quick: 180, full: 3_600 },

  async run(context) {
    const outcome = new Outcome();
    const points = await pointsOfProducer(context);
    const adopterPoints = await pointsOfAdopter(context);
    requirePoints(outcome, points, POINTS_REQUIRED);
    requirePoints(outcome, adopterPoints, ADOPTER_POINTS_REQUIRED);
    const kills = KILLS_PER_POINT[context.quick ? 'quick' : 'full'];
    const rounds = [
      ...[...points].map((point) => ({ point, round: killProducer })),
      ...[...adopterPoints].map((point) => ({ point, round: killAdopter })),
    ].flatMap((one) => Array.from({ length: kills }, () => one));
    const missed = new Map();
    for (const [i, { point, round }] of rounds.entries()) {
      context.progress(`${i + 1} of ${rounds.length}: ${point[0]}`);
      const landed = await round(context, outcome, point, path.join(context.directory, `${i}`));
      if (!landed) missed.set(point[0], (missed.get(point[0]) ?? 0) + 1);
    }
    for (const [name, times] of missed) if (times === kills) outcome.problem(`no kill landed at ${name}`);
    outcome.notes = { points: points.size, adopter_points: adopterPoints.size, kills_per_point: kills };
    return outcome;
  },
};

const producerTask = (directory) => ({
  directory,
  events: 80,
  burst: 8,
  acknowledge: 0.6,
  pauseMs: 8,
  options: { retentionMs: 0 },
});

async function pointsOfProducer(context) {
  const directory = path.join(context.directory, 'points');
  mkdirSync(directory);
  return recordPoints(directory, (failpoint) => produce(directory, failpoint));
}

async function pointsOfAdopter(context) {
  const directory = path.join(context.directory, 'adopter-points');
  await leaveDeadJournal(directory, context.random);
  return recordPoints(directory, (failpoint) => adopt(directory, 'recorded', failpoint));
}

/** @returns how often each point is passed, by its name. */
async function recordPoints(directory, run) {
  const log = path.join(directory, 'points.log');
  await run({ directory, log });
  const counts = new Map();
  for (const name of readFileSync(log, 'utf8').split('\n').slice(0, -1)) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

function requirePoints(outcome, points, required) {
  for (const name of required) if (!points.has(name)) outcome.problem(`${name} was never passed`);
}

function failpointAt([name, passes], directory, random) {
  const [call, what, when] = name.split(' ');
  // Timers decide how often some are passed: the first half is always reached.
  return { directory, call, what, when, count: 1 + below(random, Math.ceil(passes / 2)), share: random() };
}

async function killProducer(context, outcome, point, directory) {
  mkdirSync(directory);
  const { killed, lines } = await produce(directory, failpointAt(point, directory, context.random));
  if (killed) outcome.faults += 1;
  const account = accountOf(lines);
  const findings = await finishAndCheck(outcome, point[0], directory);
  const isExcused = (position) => account.acknowledged.has(position);
  outcome.count(point[0], account, findings.get(account.folder), { isExcused, inFlightMax: 1 });
  for (const found of findings.values()) checkClean(outcome, point[0], found, account);
  return killed;
}

async function killAdopter(context, outcome, point, directory) {
  const { account, flipped } = await leaveDeadJournal(directory, context.random);
  const interrupted = await adopt(directory, 'first', failpointAt(point, directory, context.random));
  if (interrupted.killed) outcome.faults += 1;
  const first = findingsOf(interrupted.lines).get(account.folder);
  const findings = await finishAndCheck(outcome, point[0], directory);
  const second = findings.get(account.folder);
  const isExcused = (position) => account.acknowledged.has(position) || (first?.acknowledged.has(position) ?? false);
  const isFlipped = (position) => flipped === position;
  outcome.count(point[0], account, second, { isExcused: (position) => isExcused(position) || isFlipped(position) });
  if (second !== undefined && first?.isReported && !second.wasReported) {
    outcome.problem(`${point[0]}: that its end was reported is forgotten`);
  }
  const isSaid = [first, second].some((found) => found?.lost.some(({ from, to }) => from <= flipped && flipped <= to));
  if (!isSaid) outcome.problem(`${point[0]}: nobody said that ${flipped} is lost`);
  const quarantined = readdirSync(path.join(directory, 'faults/quarantine'));
  if (quarantined.length !== 1) outcome.problem(`${point[0]}: ${quarantined.length} files in the quarantine`);
  return interrupted.killed;
}

/** A journal whose owner was killed, with one event damaged. */
async function leaveDeadJournal(directory, random) {
  mkdirSync(directory, { recursive: true });
  const failpoint = { directory, call: 'fdatasync', what: 'segment', when: 'after', count: 6 };
  const { lines } = await produce(directory, failpoint);
  const account = accountOf(lines);
  const flipped = flipByte(account.folder, random, (position) => !account.acknowledged.has(position));
  return { account, flipped };
}

function produce(directory, failpoint) {
  return runChild('producer.mjs', producerTask(directory), { output: `${directory}/producer.out`, failpoint });
}

function adopt(directory, name, failpoint) {
  return runChild('adopter.mjs', { directory, finish: true }, { output: `${directory}/${name}.out`, failpoint });
}

/** The next process finds it all, and leaves nothing behind. */
async function finishAndCheck(outcome, where, directory) {
  const { lines } = await adopt(directory, 'last');
  for (const line of lines) if (line.startsWith('failed')) outcome.problem(`${where}: ${line}`);
  const left = readdirSync(path.join(directory, 'faults')).filter((name) => name !== 'quarantine');
  if (left.length > 0) outcome.problem(`${where}: ${left.length} folders are left`);
  return findingsOf(lines);
}

/** A kill is no damage: at most a write that was cut short. */
function checkClean(outcome, where, found, account) {
  if (found.lost.length > 0) outcome.problem(`${where}: ${JSON.stringify(found.lost)} are said to be lost`);
  if (found.damages.some(({ kind }) => kind === 'corrupt')) outcome.problem(`${where}: a verdict of corruption`);
  const wrong = found.events.find(({ position, acknowledged }) => acknowledged && !account.acknowledged.has(position));
  if (wrong !== undefined) outcome.problem(`${where}: ${wrong.position} was never acknowledged`);
}
