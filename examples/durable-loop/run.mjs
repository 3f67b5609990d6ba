// The demo: kills the worker in the middle of attempt 1, starts it again, and shows what the ledger says.
//
//   SPANLEDGER_NATS_URL=nats://… node run.mjs
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const FOLDER = import.meta.dirname;
const CLI = fileURLToPath(new URL('bin/spanledger.js', import.meta.resolve('spanledger/package.json')));

if (!process.env.SPANLEDGER_NATS_URL) {
  console.error('SPANLEDGER_NATS_URL is not set: name a nats-server with JetStream');
  process.exit(2);
}
const folder = await mkdtemp(path.join(tmpdir(), 'durable-loop-'));
try {
  process.exitCode = await demonstrate();
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function demonstrate() {
  const first = startWorker();
  const execution = await first.says(/^execution (\S+)$/);
  await first.says(/^summarise: in the middle of attempt 1$/);
  first.child.kill('SIGKILL');
  await first.ended;
  console.log('-- killed with SIGKILL, and started again');
  const second = startWorker();
  const code = await second.ended;
  if (code !== 0) throw new Error(`the second worker ended with ${code}`);
  await spanledger('the whole story', 'status', execution, '--collapse', 'none');
  await spanledger('the story that is left', 'status', execution, '--collapse', 'superseded');
  return spanledger('is it whole?', 'verify', '--execution', execution);
}

function startWorker() {
  const child = spawn(process.execPath, ['--import', './spanledger.mjs', 'worker.mjs', path.join(folder, 'job.json')], {
    cwd: FOLDER,
    env: { SPANLEDGER_JOURNAL_DIR: path.join(folder, 'journal'), ...process.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = [];
  const output = createInterface({ input: child.stdout });
  output.on('line', (line) => {
    lines.push(line);
    console.log(`worker ${child.pid}: ${line}`);
  });
  const ended = once(child, 'exit').then(([code]) => code);
  const find = (pattern) => lines.map((line) => pattern.exec(line)).find(Boolean);
  return {
    child,
    ended,
    async says(pattern) {
      while (!find(pattern)) {
        const next = await Promise.race([once(output, 'line').then(() => true), ended.then(() => false)]);
        if (!next && !find(pattern)) throw new Error(`the worker ended before it said ${pattern}`);
      }
      return find(pattern)[1];
    },
  };
}

async function spanledger(title, ...args) {
  console.log(`\n-- ${title}: spanledger ${args.join(' ')}`);
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code] = await once(child, 'exit');
  return code;
}
