// npm run mutants [-- --only no-fsync,no-retention] [-- --json]: breaks each guarantee on purpose; the fault suite has to see it.
import { parseArgs } from 'node:util';
import { MUTANTS } from '../test/faults/mutants/mutants.mjs';
import { printTable } from '../test/faults/lib/report.mjs';
import { main } from './lib/main.mjs';
import { outOfDate, prepareGround, runCases, runMutated } from './lib/mutant-ground.mjs';
import { bringNatsServer, setUp } from './lib/set-up.mjs';
import { StepFailed, stepRunner } from './lib/steps.mjs';

/** Of a reason, in the table's appendix. */
const WHY_MAX = 300;
const out = process.stderr; // Standard output is the table, or with --json the result alone.

await main(async (args) => {
  const { values } = parseArgs({ args, options: { only: { type: 'string' }, json: { type: 'boolean' } } });
  const mutants = chosen(values.only?.split(','));
  await setUp(out);
  await bringNatsServer(out);
  const step = stepRunner(out);
  await step('copy', prepareGround);
  await step('mutants', () => checkUpToDate(mutants));
  const unbroken = await step('unbroken', () => runUnbroken(mutants));
  const results = [];
  for (const mutant of mutants) results.push(await step(mutant.name, (note) => judge(mutant, unbroken, note)));
  if (values.json) console.log(JSON.stringify(results));
  else printResults(results);
  return results.every(({ verdict }) => verdict === 'killed' || verdict === 'cannot run here') ? 0 : 1;
});

function chosen(names = MUTANTS.map(({ name }) => name)) {
  return names.map((name) => {
    const found = MUTANTS.find((mutant) => mutant.name === name);
    if (found === undefined) throw new StepFailed(`there is no mutant ${name}`);
    return found;
  });
}

/** All of them, before the first one is run: the code that they change may have changed. */
async function checkUpToDate(mutants) {
  const reasons = [];
  for (const mutant of mutants) {
    const reason = await outOfDate(mutant);
    if (reason !== undefined) reasons.push(`${mutant.name} is out of date: ${reason}`);
  }
  if (reasons.length > 0) throw new StepFailed(reasons.join('\n'));
}

/** Where nothing is broken, a case has to be green: one that is red anyway would prove nothing. @returns {Promise<Map<number, object>>} */
async function runUnbroken(mutants) {
  const numbers = [...new Set(mutants.flatMap(({ cases }) => [...cases.keys()]))];
  const results = new Map((await runCases(numbers)).map((result) => [result.case, result]));
  for (const [number, result] of results) {
    // Some look at the clock, and had to share the machine.
    if (isRed(result)) results.set(number, (await runCases([number]))[0]);
  }
  return results;
}

function isRed({ ok, skipped }) {
  return !ok && skipped === undefined;
}

/** Runs the cases that can tell, with this one place broken. */
async function judge(mutant, unbroken, note) {
  const startedMs = Date.now();
  const { name, breaks, cases } = mutant;
  const of = (test) => [...cases.keys()].filter((number) => test(unbroken.get(number)));
  const able = of(({ ok }) => ok);
  const red = of(isRed);
  const end = (verdict, why = '') => {
    note(verdict);
    const seconds = Math.round((Date.now() - startedMs) / 1000);
    return { name, breaks, cases: [...cases.keys()], verdict, why, seconds };
  };
  if (able.length === 0 && red.length > 0) {
    return end(
      'proves nothing',
      `without it case ${red.join()} is red: ${problemsOf(red.map((number) => unbroken.get(number)))}`,
    );
  }
  if (able.length === 0) return end('cannot run here', unbroken.get([...cases.keys()][0]).skipped);
  const results = await runMutated(mutant, able);
  const isSeen = ({ case: number, problems }) => problems.some((problem) => cases.get(number).test(problem));
  const seen = results.find(isSeen);
  if (seen !== undefined)
    return end('killed', `case ${seen.case}: ${seen.problems.find((text) => cases.get(seen.case).test(text))}`);
  // Red, and not for what was broken: it may be that nothing ran at all.
  const failed = results.filter(({ ok }) => !ok);
  if (failed.length > 0) return end('RED FOR ANOTHER REASON', problemsOf(failed));
  return end('SURVIVED');
}

function problemsOf(results) {
  return results.flatMap(({ problems }) => problems).join('; ');
}

function printResults(results) {
  const rows = results.map(({ name, breaks, cases, verdict, seconds }) => [
    name,
    breaks,
    cases.join(', '),
    String(seconds),
    verdict,
  ]);
  printTable(['mutant', 'guarantee', 'cases', 's', 'verdict'], rows, ['mutant', 'guarantee', 'verdict']);
  for (const { name, why } of results) if (why !== '') console.log(`${name}: ${why.slice(0, WHY_MAX)}`);
  const count = (verdict) => results.filter((result) => result.verdict === verdict).length;
  const killed = count('killed');
  const skipped = count('cannot run here');
  const text = `${killed} killed, ${results.length - killed - skipped} survived`;
  console.log(`\n${text}${skipped > 0 ? `, ${skipped} cannot run here` : ''}`);
}
