/*
 * SIGKILL at every file system call of the journal, one process each: of the process that writes it, and of the one that
 * adopts it afterwards. The points are not listed here: a run without a kill tells which there are.
 */
import { mkdirSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { accountOf, findingsOf } from '../journal/account.mjs';
import { eachOf, runChild } from '../journal/children.mjs';
import { copyJournal, flipByte } from '../journal/damage.mjs';
import { below } from '../journal/events.mjs';
import { Outcome } from '../journal/outcome.mjs';

const KILLS_PER_POINT = { quick: 2, full: 20 };
/** What a journal cannot do without; if a change of the code moves one elsewhere, this case must learn it. */
const POINTS_REQUIRED = [
  'writeSync segment middle',
  'writeSync acks middle',
  'fdatasync segment before',
  'fdatasync segment after',
  'fsync folder before',
  'openSync segment after',
  'ftruncateSync new-segment after',
  'ftruncateSync segment after',
  'linkSync lock after',
  'remove segment after',
];
const ADOPTER_POINTS_REQUIRED = [
  'linkSync quarantine after',
  'openSync reported after',
  'remove segment after',
  'remove lock after',
];

export default {
  number: 2,
  title: 'killed inside write, sync, ack, rotate, adopt',
  quick: true,
  minimum: { quick: { offered: 5_000, faults: 100 }, full: { offered: 50_000, faults: 1_000 } },
  timeoutS: { full: 3_600 },

  async run(context) {
    const outcome = new Outcome();
    const points = await pointsOfProducer(context);
    const adopterPoints = await pointsOfAdopter(context);
    requirePoints(outcome, points, POINTS_REQUIRED);
    requirePoints(outcome, adopterPoints, ADOPTER_POINTS_REQUIRED);
    const kills = KILLS_PER_POINT[context.quick ? 'quick' : 'full'];
    const dead = await leaveDeadJournal(path.join(context.directory, 'dead'), context.random);
    const rounds = [
      ...[...points].map((point) => ({ point, round: killProducer })),
      ...[...adopterPoints].map((point) => ({ point, round: killAdopter })),
    ].flatMap(({ point, round }) =>
      Array.from({ length: kills }, () => ({ name: point[0], round, failpoint: failpointAt(point, context.random) })),
    );
    const landed = new Set();
    await eachOf(rounds, async ({ name, round, failpoint }, i) => {
      context.progress(`${i + 1} of ${rounds.length}: ${name}`);
      context.signal.throwIfAborted();
      const directory = path.join(context.directory, `${i}`);
      mkdirSync(directory);
      const killed = await round({ outcome, name, directory, failpoint: { ...failpoint, directory }, dead });
      if (killed) landed.add(round.name + name);
      rmSync(directory, { recursive: true });
    });
    for (const { name, round } of rounds) {
      if (landed.delete(round.name + name)) outcome.notes.points_hit = (outcome.notes.points_hit ?? 0) + 1;
    }
    const pointsInAll = points.size + adopterPoints.size;
    if (outcome.notes.points_hit !== pointsInAll)
      outcome.problem(`a kill landed at ${outcome.notes.points_hit} of ${pointsInAll} points`);
    Object.assign(outcome.notes, { points: points.size, adopter_points: adopterPoints.size, kills_per_point: kills });
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

function failpointAt([name, passes], random) {
  const [call, what, when] = name.split(' ');
  // Timers decide how often some are passed: the first half is always reached.
  return { call, what, when, count: 1 + below(random, Math.ceil(passes / 2)), share: random() };
}

async function killProducer({ outcome, name, directory, failpoint }) {
  const { killed, lines } = await produce(directory, failpoint);
  if (killed) outcome.faults += 1;
  const account = accountOf(lines);
  const findings = await finishAndCheck(outcome, name, directory);
  const isExcused = (position) => account.acknowledged.has(position);
  outcome.count(name, account, findings.get(account.folder), { isExcused, inFlightMax: 1 });
  for (const found of findings.values()) checkClean(outcome, name, found, account);
  return killed;
}

async function killAdopter({ outcome, name, directory, failpoint, dead }) {
  const { account, flipped } = dead;
  const folder = copyJournal(account.folder, directory);
  const interrupted = await adopt(directory, 'first', failpoint);
  if (interrupted.killed) outcome.faults += 1;
  const first = findingsOf(interrupted.lines).get(folder);
  const second = (await finishAndCheck(outcome, name, directory)).get(folder);
  const isDone = (position) => account.acknowledged.has(position) || (first?.acknowledged.has(position) ?? false);
  outcome.count(name, account, second, { isExcused: (position) => isDone(position) || position === flipped });
  // Where the segments have gone there is nothing left to report.
  if (first?.isReported && second?.wasReported === false) outcome.problem(`${name}: forgot that its end was reported`);
  const isSaid = [first, second].some((found) => found?.lost.some(({ from, to }) => from <= flipped && flipped <= to));
  if (!isSaid) outcome.problem(`${name}: nobody said that ${flipped} is lost`);
  const quarantined = readdirSync(path.join(directory, 'faults/quarantine'));
  if (quarantined.length !== 1) outcome.problem(`${name}: ${quarantined.length} files in the quarantine`);
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
