// `npm run faults [-- --quick] [-- --only 3,9] [-- --seed 7] [-- --json]`: causes every fault, and counts. See README.md.
import { readdirSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { createProgress } from './lib/progress.mjs';
import { printReport, summaryOf } from './lib/report.mjs';
import { runCase } from './lib/run-case.mjs';

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
const progress = createProgress(process.stderr, cases.length);
const results = [];
for (const one of cases) {
  if (abort.signal.aborted) break;
  const { quick } = values;
  results.push(await runCase(one, { quick, seed: Number(values.seed), progress, signal: abort.signal }));
}
if (values.json) console.log(JSON.stringify(results));
else printReport(results);
const { ok, failed } = summaryOf(results);
process.exitCode = failed > 0 || ok === 0 ? 1 : 0;
if (interruptedBy) process.exitCode = 128 + constants.signals[interruptedBy];

/** All of them, by number; those of `--only`; with `--quick` those that have a quick form. */
async function chosenCases() {
  const names = readdirSync(CASES)
    .filter((name) => name.endsWith('.mjs'))
    .sort();
  const all = await Promise.all(
    names.map(async (name) => (await import(pathToFileURL(path.join(CASES, name)))).default),
  );
  const only = values.only?.split(',').map(Number);
  const unknown = only?.filter((number) => !all.some((one) => one.number === number)) ?? [];
  if (unknown.length > 0) throw new Error(`there is no case ${unknown.join(', ')}`);
  const asked = all.filter(({ number }) => only?.includes(number) ?? true);
  return asked.filter(({ quick }) => quick || !values.quick).sort((a, b) => a.number - b.number);
}
