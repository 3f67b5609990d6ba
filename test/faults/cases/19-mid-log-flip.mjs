/*
 * Bytes of a journal changed where others follow: one bit, one byte, a few, or a block of zeros. Every such change is found,
 * its file kept aside, the events that it hit are named, and all others are read.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { accountOf } from '../journal/account.mjs';
import { runChild } from '../journal/children.mjs';
import { HEADER_BYTES, copyJournal, framesOf, segmentFiles } from '../journal/damage.mjs';
import { below } from '../journal/events.mjs';
import { Outcome } from '../journal/outcome.mjs';
import { Reader } from '../journal/reader.mjs';

const FLIPS = { quick: 500, full: 10_000 };
const RANGE_MAX = 2_000;

export default {
  number: 19,
  title: 'journal changed in the middle',
  quick: true,
  minimum: { quick: { offered: 20_000, faults: 500 }, full: { offered: 400_000, faults: 10_000 } },
  // What is destroyed is lost: all of it has to be said.
  mayReportLosses: true,
  timeoutS: { full: 900 },

  async run(context) {
    const outcome = new Outcome();
    const flips = FLIPS[context.quick ? 'quick' : 'full'];
    const { account, files } = await deadJournal(context.directory);
    const reader = context.own(new Reader(context.directory));
    const copies = path.join(context.directory, 'copies');
    for (let i = 1; i <= flips; i += 1) {
      context.signal.throwIfAborted();
      if (i % 100 === 0) context.progress(`${i} of ${flips}`);
      const folder = copyJournal(account.folder, copies);
      const change = changeOne(folder, files[below(context.random, files.length)], context.random);
      const found = await reader.find(folder);
      outcome.faults += 1;
      check(outcome, `flip ${i} (${change.how} at ${change.from})`, account, found, change);
      const aside = path.join(copies, 'faults/quarantine');
      const kept = existsSync(aside) ? readdirSync(aside) : [];
      if (kept.length !== 1 || !readFileSync(path.join(aside, kept[0])).equals(change.bytes)) {
        outcome.problem(`flip ${i}: the file is not kept aside as it was`);
      }
      rmSync(copies, { recursive: true });
    }
    outcome.problems.push(...reader.problems);
    return outcome;
  },
};

async function deadJournal(directory) {
  mkdirSync(path.join(directory, 'dead'));
  const task = { directory: path.join(directory, 'dead'), events: 50, options: { retentionMs: 600_000 } };
  const { lines } = await runChild('producer.mjs', task, { output: path.join(directory, 'producer.out') });
  const account = accountOf(lines);
  return { account, files: segmentFiles(account.folder).map((file) => path.basename(file)) };
}

/** Never the last frame of a segment: what is wrong there may be a write that was cut short. */
function changeOne(folder, name, random) {
  const file = path.join(folder, name);
  const bytes = readFileSync(file);
  const frames = framesOf(bytes);
  const limit = frames.at(-1).offset;
  const from = below(random, limit);
  const how = ['bit', 'byte', 'range', 'zeros'][below(random, 4)];
  const length = how === 'bit' || how === 'byte' ? 1 : 1 + below(random, Math.min(RANGE_MAX, limit - from));
  const before = Buffer.from(bytes);
  for (let at = from; at < from + length; at += 1) {
    if (how === 'bit') bytes[at] ^= 1 << below(random, 8);
    else if (how === 'zeros') bytes[at] = 0;
    else bytes[at] ^= 1 + below(random, 255);
  }
  // Zeros where there are zeros change nothing.
  if (bytes.equals(before)) bytes[from] ^= 1;
  writeFileSync(file, bytes);
  const isHit = ({ offset, end }) => !bytes.subarray(offset, end).equals(before.subarray(offset, end));
  const hit = new Set(frames.filter(isHit).map(({ position }) => position));
  return { how, from, to: from + length, file, bytes, hit, isInHeader: from < HEADER_BYTES };
}

function check(outcome, where, account, found, { file, from, to, hit, isInHeader }) {
  const isExcused = (position) => hit.has(position);
  outcome.count(where, account, found, { isExcused });
  const corrupt = found.damages.filter((damage) => damage.kind === 'corrupt' && damage.file === file);
  if (!corrupt.some(({ offset, bytes }) => offset < to && offset + bytes > from))
    outcome.problem(`${where}: not found`);
  const said = found.lost.reduce((sum, range) => sum + range.to - range.from + 1, 0);
  const isSaid = (position) => found.lost.some((range) => position >= range.from && position <= range.to);
  outcome.lost += hit.size;
  outcome.reported += [...hit].filter(isSaid).length;
  outcome.unreported = outcome.lost - outcome.reported;
  if (said !== hit.size) outcome.problem(`${where}: ${hit.size} were hit, ${said} are said to be lost`);
  if (hit.size === 0 && !isInHeader) outcome.problem(`${where}: hit nothing`);
}
