// npm test [-- --nats 2.9] [-- <vitest filter>]: set-up, every static check, every test, and, without a filter, the quick form of
// the fault suite. The last line counts.
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { main } from './lib/main.mjs';
import { run } from './lib/processes.mjs';
import { bringNatsServer, setUp } from './lib/set-up.mjs';
import { command, ROOT, StepFailed, stepRunner, tool } from './lib/steps.mjs';

const RESULTS = path.join(ROOT, '.cache/vitest-results.json');

const CHECKS = {
  format: () => tool('oxfmt/bin/oxfmt', ['--check', '.']),
  lint: () => tool('oxlint/bin/oxlint'),
  'types of tests': () => tool('typescript/bin/tsc', ['-p', 'tsconfig.json']),
  boundaries: () => command(process.execPath, ['scripts/check-boundaries.mjs']),
  'unused code': () => tool('knip/bin/knip.js'),
  'packed packages': () => command(process.execPath, ['scripts/check-artifacts.mjs']),
};

await main(async (args) => {
  const { values, positionals } = parseArgs({ args, options: { nats: { type: 'string' } }, allowPositionals: true });
  const out = process.stdout;
  const counts = { passed: 0, failed: 0, skipped: 0 };
  let failedChecks = [];
  try {
    await setUp(out);
    await bringNatsServer(out, values.nats);
    failedChecks = await runChecks(out);
    counts.failed += failedChecks.length;
    const tests = await runTests(positionals);
    const faults = positionals.length > 0 ? {} : await runFaults();
    for (const key of Object.keys(counts)) counts[key] += tests[key] + (faults[key] ?? 0);
  } catch (error) {
    if (!(error instanceof StepFailed)) throw error;
    console.log(error.message);
    counts.failed += 1;
  }
  // Said again: what a check printed is far above by now.
  for (const { name, message } of failedChecks) console.log(`The check "${name}" failed: ${message}`);
  const { passed, failed, skipped } = counts;
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  return failed === 0 ? 0 : 1;
});

/** Runs all checks, whatever the first ones say. Returns those that failed. */
async function runChecks(out) {
  const step = stepRunner(out);
  const failed = [];
  for (const [name, check] of Object.entries(CHECKS)) {
    await step(name, check).catch(({ message }) => {
      console.log(message);
      failed.push({ name, message });
    });
  }
  return failed;
}

async function runTests(filters) {
  await rm(RESULTS, { force: true });
  const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs');
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${RESULTS}`, '--silent=passed-only'];
  const { code } = await run(process.execPath, [vitest, 'run', ...reporters, ...filters], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const results = JSON.parse(await readFile(RESULTS, 'utf8').catch(() => '{"testResults":[]}'));
  const counts = countTests(results.testResults);
  // An unhandled error, or a run without a single test, fails no test by name.
  if (code !== 0 && counts.failed === 0) counts.failed = 1;
  return counts;
}

/** Each case counts as a test; one that cannot run here as skipped. */
async function runFaults() {
  console.log('\nnpm run faults -- --quick');
  const { output } = await run(process.execPath, ['test/faults/run.mjs', '--quick', '--json'], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const cases = JSON.parse(output || '[]');
  const failed = cases.filter(({ ok, skipped }) => !ok && skipped === undefined);
  for (const { case: number, title, problems } of failed) console.log(`${number} ${title}: ${problems.join('; ')}`);
  const skipped = cases.filter((one) => one.skipped !== undefined).length;
  // A suite that tells of no case has failed.
  return {
    passed: cases.length - failed.length - skipped,
    failed: failed.length + Number(cases.length === 0),
    skipped,
  };
}

function countTests(files) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { status, assertionResults } of files) {
    const states = assertionResults.map((result) => result.status);
    for (const state of states) counts[state in counts ? state : 'skipped'] += 1;
    if (status === 'failed' && !states.includes('failed')) counts.failed += 1; // The file itself could not be run.
  }
  return counts;
}
