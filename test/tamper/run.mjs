// `npm run tamper [-- --count 100000] [-- --clean 1050000] [-- --seed 1] [-- --json]`: what a reader finds, and what it does not.
// `--clean` counts records, copies among them, in each form of ledger; lost events have none.
import { parseArgs } from 'node:util';
import { cleanTrial, tamperTrial } from './trial.mjs';

const SHOWN_MAX = 5;
const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100000' },
    clean: { type: 'string', default: '1050000' },
    seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const [count, clean, seed] = [Number(values.count), Number(values.clean), Number(values.seed)];
let lastMs = 0;
const progress = (what, end) => (done) => {
  if (Date.now() - lastMs < 10_000) return;
  lastMs = Date.now();
  process.stderr.write(`${what}: ${done} of ${end}\n`);
};

const tampered = tamperTrial({ count, seed, progress: progress('tamperings', count) });
const cleans = [undefined, 'checkpoint'].map((signs) =>
  cleanTrial({
    count: clean,
    seed,
    signs,
    progress: progress(`clean events, signed: ${signs ?? 'not'}`, clean),
  }),
);

if (values.json) console.log(JSON.stringify({ ...tampered, cleans }));
else printTable();
const alarms = cleans.flatMap((one) => one.alarms);
for (const one of tampered.missed.slice(0, SHOWN_MAX)) console.error('not found:', JSON.stringify(one));
for (const one of alarms.slice(0, SHOWN_MAX)) console.error('a false alarm:', JSON.stringify(one));
process.exitCode = tampered.missed.length + alarms.length > 0 ? 1 : 0;

function printTable() {
  console.log('| tampering | tried | found at the right event |');
  console.log('| :-- | --: | --: |');
  for (const [name, { tried, found }] of Object.entries(tampered.kinds))
    console.log(`| ${name} | ${tried} | ${found} |`);
  console.log(
    '\n| clean ledger | events | runs | copies | out of order | losses reported | abandoned | superseded | false alarms |',
  );
  console.log('| :-- | --: | --: | --: | --: | --: | --: | --: | --: |');
  for (const [i, one] of cleans.entries()) {
    const { events, runs, duplicates, reordered, losses, abandonedRuns, superseded } = one;
    const cells = [events, runs, duplicates, reordered, losses, abandonedRuns, superseded, one.alarms.length];
    console.log(`| ${['not signed', 'signed checkpoints'][i]} | ${cells.join(' | ')} |`);
  }
}
