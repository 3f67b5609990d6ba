// A process ends in each of the ways that are not `kill -9`, with NATS there and without: within its deadline, with its own exit
// code, and what it could not publish, the next process does.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { startNats } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { runHeirs } from '../lib/heirs.mjs';
import { percentile } from '../lib/gaps.mjs';
import { pause } from '../lib/wait.mjs';

const PROGRAM = path.join(import.meta.dirname, '../producers/ends.mjs');
const SHUTDOWN_MS = 500;
/** What an end may take beyond the deadline, or at all if it leaves no time. */
const OURS_MS = 100;
/** And this in small, which has to go well on a slow and busy machine, and shows nothing about speed. */
const QUICK_MS = 5_000;
const EVENTS = 200;
/** How each process ends, its exit code, and how long it may take. */
const ENDS = [
  { end: 'SIGTERM', code: 143, withinMs: SHUTDOWN_MS + OURS_MS },
  { end: 'SIGINT', code: 130, withinMs: SHUTDOWN_MS + OURS_MS },
  { end: 'exit', code: 7, withinMs: OURS_MS },
  { end: 'throw', code: 1, withinMs: OURS_MS, says: /^Error: thrown on purpose\n +at /m },
  { end: 'reject', code: 1, withinMs: OURS_MS, says: /^Error: rejected on purpose\n +at /m },
  { end: 'natural', code: 3, withinMs: SHUTDOWN_MS + OURS_MS },
];

export default {
  number: 20,
  title: 'SIGTERM, SIGINT, exit, throw, rejection, natural end',
  quick: true,
  minimum: { quick: { offered: 2_400, faults: 12 }, full: { offered: 120_000, faults: 600 } },
  timeoutS: { full: 2_700 },

  async run(context) {
    const rounds = context.quick ? 2 : 100;
    const server = context.own(await startNats());
    const options = { servers: server.url, producer: 'faults', journal: { directory: `${context.directory}/journal` } };
    const ended = [];
    for (let round = 1; round <= rounds; round += 1) {
      // Every other round without a server: the whole deadline is waited for.
      if (round % 2 === 0) await server.stop();
      for (const how of ENDS) ended.push(await endOne(context, options, how, `e${ended.length + 1}`));
      if (round % 2 === 0) await server.restart();
      context.progress(`round ${round} of ${rounds}`);
    }
    const heirs = await runHeirs(context, { ...options, count: 1 });
    const figures = await account({ servers: server.url, producers: [...ended, ...heirs] });
    figures.problems.push(...ended.flatMap(({ problems }) => problems));
    const overMs = ended.map((one) => one.overMs);
    Object.assign(figures.notes, {
      over_deadline_p50_ms: Math.round(percentile(overMs, 0.5)),
      over_deadline_max_ms: Math.round(Math.max(...overMs)),
      starved_max_ms: Math.round(Math.max(...ended.map((one) => one.starvedMs))),
    });
    return { faults: ended.length, ...figures };
  },
};

async function endOne(context, options, { end, code, withinMs, says }, name) {
  const tallyFile = path.join(context.directory, `${name}.tally`);
  const endFile = path.join(context.directory, `${name}.end`);
  const settings = {
    ...options,
    end,
    count: EVENTS,
    shutdownTimeoutMs: SHUTDOWN_MS,
    process: name,
    tallyFile,
    endFile,
  };
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(settings)], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  context.own(() => void child.kill('SIGKILL'));
  let stderr = '';
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const closed = once(child, 'close', { signal: context.signal });
  let signalledAtMs;
  if (end.startsWith('SIG')) {
    await Promise.race([once(child, 'message', { signal: context.signal }), closed]);
    await pause(context, 20 * context.random());
    signalledAtMs = Date.now();
    child.kill(end);
  }
  await closed;
  const { begunAtMs = signalledAtMs, endedAtMs, starvedMs } = JSON.parse(readFileSync(endFile, 'utf8'));
  // What other processes took of the processors is not ours.
  const tookMs = endedAtMs - begunAtMs - starvedMs;
  const problems = [];
  if (child.exitCode !== code) problems.push(`${end} ended with ${child.exitCode ?? child.signalCode}: ${stderr}`);
  const mayTakeMs = withinMs + (context.quick ? QUICK_MS : 0);
  if (tookMs > mayTakeMs)
    problems.push(
      `${end} took ${tookMs} ms, without ${starvedMs} of waiting for a processor, and may take ${mayTakeMs}`,
    );
  if (says !== undefined && !says.test(stderr)) problems.push(`${end} does not say why: ${stderr}`);
  // Its run is left open, as if it had been killed, unless it ended in order.
  const overMs = tookMs - (withinMs - OURS_MS);
  return { process: name, tallyFile, killed: end !== 'natural', overMs, starvedMs, problems };
}
