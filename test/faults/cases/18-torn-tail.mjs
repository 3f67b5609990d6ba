/*
 * A journal whose last write was cut short: at every byte of its last segment, followed by nothing, or by the zeros of
 * a file of full length. Every frame before the cut is there, and nothing is called damage or loss.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { accountOf } from '../journal/account.mjs';
import { runChild } from '../journal/children.mjs';
import { copyJournal, framesOf, segmentFiles } from '../journal/damage.mjs';
import { Outcome } from '../journal/outcome.mjs';
import { Reader } from '../journal/reader.mjs';

const LAST_FRAMES = 3;
const ZEROS = 700;

export default {
  number: 18,
  title: 'journal cut at every byte',
  quick: true,
  minimum: { quick: { offered: 30_000, faults: 2_000 }, full: { offered: 100_000, faults: 3_500 } },
  timeoutS: { full: 900 },

  async run(context) {
    const outcome = new Outcome();
    const { account, files } = await deadJournal(context.directory);
    const last = files.at(-1);
    const bytes = readFileSync(last);
    const frames = framesOf(bytes);
    const end = frames.at(-1).end;
    const start = context.quick ? frames.at(-LAST_FRAMES).offset : 0;
    const reader = context.own(new Reader(context.directory));
    for (let cut = start; cut <= end; cut += 1) {
      context.signal.throwIfAborted();
      if (cut % 500 === 0) context.progress(`byte ${cut} of ${end}`);
      for (const tail of [0, ZEROS]) {
        const folder = copyJournal(account.folder, path.join(context.directory, 'copies'));
        writeFileSync(
          path.join(folder, path.basename(last)),
          Buffer.concat([bytes.subarray(0, cut), Buffer.alloc(tail)]),
        );
        outcome.faults += 1;
        const whole = wholeBefore(account, frames, cut);
        const found = await reader.find(folder);
        outcome.count(`cut at ${cut}`, whole, found);
        if (found.lost.length > 0) outcome.problem(`cut at ${cut}: ${JSON.stringify(found.lost)} are said to be lost`);
        if (found.damages.some(({ kind }) => kind !== 'torn'))
          outcome.problem(`cut at ${cut}: a verdict of corruption`);
        rmSync(folder, { recursive: true });
      }
    }
    outcome.problems.push(...reader.problems);
    return outcome;
  },
};

async function deadJournal(directory) {
  mkdirSync(path.join(directory, 'dead'));
  const task = { directory: path.join(directory, 'dead'), events: 35, options: { retentionMs: 600_000 } };
  const { lines } = await runChild('producer.mjs', task, { output: path.join(directory, 'producer.out') });
  const account = accountOf(lines);
  return { account, files: segmentFiles(account.folder) };
}

/** What was accepted, without what the cut takes. */
function wholeBefore(account, frames, cut) {
  const gone = new Set(frames.filter(({ end }) => end > cut).map(({ position }) => position));
  return { ...account, accepted: new Map([...account.accepted].filter(([position]) => !gone.has(position))) };
}
