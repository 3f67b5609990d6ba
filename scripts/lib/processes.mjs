// Child processes that never outlive us: each leads a group of its own, so that one signal ends it with all it started.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';

const GRACE_MS = 15_000;

/** @type {Set<import('node:child_process').ChildProcess>} */
const running = new Set();
/** @type {(() => Promise<void> | void)[]} */
const cleanUps = [];
let interrupted = false;

/** Runs before we exit on a signal, last added first. */
export function onInterrupt(cleanUp) {
  cleanUps.push(cleanUp);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => void interrupt(signal));

async function interrupt(signal) {
  if (interrupted) return; // Ctrl-C comes twice: from the terminal, and from npm, which passes it on.
  interrupted = true;
  await Promise.all([...running].map((child) => end(child, signal)));
  for (const cleanUp of cleanUps.toReversed()) await cleanUp();
  process.exit(128 + constants.signals[signal]);
}

/**
 * Runs a command to its end and resolves to its exit code. Nothing it started is left afterwards.
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} options
 * @returns {Promise<{ code: number, output: string }>} output is what it printed, if `stdio` is piped
 */
export async function run(command, args, options = {}) {
  if (interrupted) return new Promise(() => {}); // We are about to exit: start nothing any more.
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options, detached: true });
  running.add(child);
  let output = '';
  const collect = (chunk) => (output += chunk);
  child.stdout?.on('data', collect);
  child.stderr?.on('data', collect);
  const code = await new Promise((resolve) => {
    child.on('error', (error) => resolve(collect(`${command}: ${error.message}\n`) && 127));
    child.on('close', (exitCode, signal) => resolve(exitCode ?? 128 + constants.signals[signal]));
  });
  running.delete(child);
  signalGroup(child, 'SIGKILL');
  return interrupted ? new Promise(() => {}) : { code, output };
}

/** Asks a child to end; after a grace period its whole group is killed. */
function end(child, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MS);
    child.once('close', () => {
      clearTimeout(timer);
      signalGroup(child, 'SIGKILL');
      resolve();
    });
    child.kill(signal);
  });
}

function signalGroup(child, signal) {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group has ended.
  }
}
