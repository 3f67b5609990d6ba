// `npm run faults [-- --quick] [-- --only 3,9] [-- --seed 7] [-- --json]`: causes every fault, and counts. See README.md.
import { readdirSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { createProgress } from './lib/progress.mjs';
import { printReport, summaryOf } from './lib/report.mjs';
import { runCase } from './lib/run-case.mjs';

const QUICK_JOBS = 2;
const CASES = path.join(import.meta.dirname, 'cases');
const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});

const abort = new AbortController();
let interruptedBy;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    interruptedBy ??= signal;
    abort.abort(new Error(`interrupted by ${signal}`));
  });
}

const cases = await chosenCases();
// In small, most of the time is waiting; with full figures a case has the machine to itself.
const jobs = values.quick ? QUICK_JOBS : 1;
const progress = createProgress(process.stderr, { total: cases.length, redraw: process.stderr.isTTY && jobs === 1 });
const results = [];
const waiting = [...cases];
await Promise.all(Array.from({ length: jobs }, runWaiting));
results.sort((a, b) => a.case - b.case);
if (values.json) console.log(JSON.stringify(results));
else printReport(results);
const { ok, failed } = summaryOf(results);
process.exitCode = failed > 0 || ok === 0 ? 1 : 0;
if (interruptedBy) process.exitCode = 128 + constants.signals[interruptedBy];

async function runWaiting() {
  const { quick, seed } = values;
  for (;;) {
    const one = waiting.shift();
    if (one === undefined || abort.signal.aborted) return;
    results.push(await runCase(one, { quick, seed: Number(seed), progress, signal: abort.signal }));
  }
}

/** All of them, by number; those of `--only`; with `--quick` those that have a quick form. */
async function chosenCases() {
  const names = readdirSync(CASES)
    .filter((name) => name.endsWith('.mjs'))
    .sort();
  const all = await Promise.all(
    names.map(async (name) => (await import(pathToFileURL(path.join(CASES, name)))).default),
  );
  const only = values.only?.split(',').map(Number);
  const forms = all.filter(({ quick }) => quick || !values.quick);
  const unknown = only?.filter((number) => !forms.some((one) => one.number === number)) ?? [];
  if (unknown.length > 0) {
    console.error(`there is no case ${unknown.join(', ')}${values.quick ? ' in the quick form' : ''}`);
    process.exit(2);
  }
  return forms.filter(({ number }) => only?.includes(number) ?? true).sort((a, b) => a.number - b.number);
}
