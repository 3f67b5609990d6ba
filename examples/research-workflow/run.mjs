// The demo: starts the services, has the orchestrator run the workflow, and proves from the ledger what happened.
//
//   SPANLEDGER_NATS_URL=nats://… node run.mjs [--executions N] [--json]
import { parseArgs } from 'node:util';
import { readBack } from './read-back.mjs';
import { researchServices } from './services.mjs';
import { showExecution, showTotals, summaryOf } from './show.mjs';

const CONCURRENT_MAX = 8;

const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, executions: { type: 'string', default: '1' } },
});
const executions = Number(values.executions);
const natsUrl = process.env.SPANLEDGER_NATS_URL;
if (!Number.isSafeInteger(executions) || executions < 1)
  fail(`--executions takes a whole number from 1, got ${values.executions}`);
if (!natsUrl)
  fail('SPANLEDGER_NATS_URL is not set: run `npm run demo` at the root of the repository, or name a server');

// With --json, standard output holds the result alone.
const say = values.json ? console.error : console.log;
const startedMs = Date.now();

const services = researchServices(natsUrl, (name, url) => say(`started  ${name.padEnd(21)} ${url}`));
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => services.stop().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143)));
}
const answers = [];
try {
  await runExecutions(await services.start());
} finally {
  say('stopping the services: what they have sealed is stored before they end');
  await services.stop();
}

const ledger = await readBack(natsUrl, answers);
const summary = { ...summaryOf(ledger), elapsed_ms: Date.now() - startedMs };
showExecution(ledger, say);
showTotals(summary, executions, say);
if (values.json) console.log(JSON.stringify(summary));
process.exitCode = ledger.verified ? 0 : 1;

async function runExecutions(orchestratorUrl) {
  let started = 0;
  const worker = async () => {
    while (started < executions) await runExecution(orchestratorUrl, (started += 1));
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENT_MAX, executions) }, worker));
}

async function runExecution(orchestratorUrl, number) {
  const response = await fetch(`${orchestratorUrl}/reports`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ subject: `tidal power, part ${number}` }),
  });
  if (!response.ok) throw new Error(`the orchestrator answered ${response.status}: ${await response.text()}`);
  const answer = await response.json();
  answers.push(answer);
  say(`executed ${answer.executionId}  (${answers.length} of ${executions})`);
}

function fail(message) {
  console.error(message);
  process.exit(2);
}
