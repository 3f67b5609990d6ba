// The engine: runs the steps of one job, each as often as it takes, over any number of processes.
//
//   node --import ./spanledger.mjs worker.mjs JOB_FILE
import { setTimeout as delay } from 'node:timers/promises';
import { flush, workflow } from '@spanledger/node';
import { openJob } from './job-file.mjs';

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('worker.mjs JOB_FILE');
const job = await openJob(file);
console.log(`execution ${job.executionId}`);

// The same execution id in each process: it is one story.
await workflow.run({ workflowId: 'nightly-report', executionId: job.executionId }, async (run) => {
  const numbers = await durably(run, 'collect', () => [3, 1, 2]);
  const report = await durably(run, 'summarise', ({ attempt }) => summarise(numbers, attempt));
  await durably(run, 'deliver', () => console.log(`delivered ${report}`));
});
await flush();

/** A step that is done is not done again; one that was only begun is the next attempt. */
async function durably(run, name, fn) {
  const done = job.resultOf(name);
  if (done !== undefined) return done.value;
  const attempt = await job.beginAttempt(name);
  const value = await run.step(name, { attempt }, fn);
  await job.complete(name, value);
  return value;
}

async function summarise(numbers, attempt) {
  // So that the demo finds in the ledger what was done before the kill: of what is in the journal alone, the next process publishes
  // what it comes to, and that of this demo does not live for long.
  if (attempt === 1) await flush();
  console.log(`summarise: in the middle of attempt ${attempt}`);
  // Long enough for the demo to kill this process here. `ref` by default: nothing else keeps it alive.
  if (attempt === 1) await delay(600_000);
  return `sum ${numbers.reduce((sum, number) => sum + number, 0)}`;
}
