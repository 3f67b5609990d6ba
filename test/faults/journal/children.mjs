import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findingsOf } from './account.mjs';

const HERE = import.meta.dirname;
const DEADLINE_MS = 180_000;

/**
 * A child program of this folder. Its standard output is a file: what it said before it was killed is all there, and nobody
 * need read it for it to go on.
 */
export class Child {
  #output;
  #errors;
  #process;
  #ended;

  /**
   * @param failpoint what `failpoints.mjs` is told. @param syncDelayMs what `slow-sync.mjs` is told.
   * @param before a command that it is run under.
   */
  constructor(program, task, { output, failpoint, syncDelayMs, before = [] }) {
    this.#output = output;
    this.#errors = `${output}.err`;
    const fds = [openSync(this.#output, 'w'), openSync(this.#errors, 'w')];
    const preloads = [];
    const env = { ...process.env };
    if (failpoint !== undefined) {
      preloads.push('--import', path.join(HERE, 'failpoints.mjs'));
      env['SPANLEDGER_FAILPOINT'] = JSON.stringify(failpoint);
    }
    if (syncDelayMs !== undefined) {
      preloads.push('--import', path.join(HERE, 'slow-sync.mjs'));
      env['SPANLEDGER_SYNC_DELAY_MS'] = `${syncDelayMs}`;
    }
    const node = [process.execPath, ...preloads, path.join(HERE, program), JSON.stringify(task)];
    const [command, ...args] = [...before, ...node];
    this.#process = spawn(command, args, { stdio: ['pipe', ...fds], env });
    for (const fd of fds) closeSync(fd);
    this.#ended = once(this.#process, 'exit');
    // Awaited where it matters, and no failure of its own before that.
    this.#ended.catch(() => {});
  }

  get pid() {
    return this.#process.pid;
  }

  /** What it has said so far, in whole lines. */
  get lines() {
    return readFileSync(this.#output, 'utf8').split('\n').slice(0, -1);
  }

  signal(name) {
    this.#process.kill(name);
  }

  /** Ends its standard input: what stays may go on. */
  release() {
    this.#process.stdin.end();
  }

  /** @returns how it ended. @throws if it does not end, or fails in a way that is no kill. */
  async end() {
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), DEADLINE_MS);
    const started = Date.now();
    const [code, signal] = await this.#ended;
    clearTimeout(timer);
    const errors = readFileSync(this.#errors, 'utf8');
    if (Date.now() - started >= DEADLINE_MS) throw new Error(`a child did not end: ${this.lines.at(-1)} ${errors}`);
    if (signal === null && code !== 0) throw new Error(`a child failed with ${code}: ${errors}`);
    return { killed: signal === 'SIGKILL', lines: this.lines };
  }

  /** Ends it as a crash does, and what it runs under. */
  async kill() {
    await this.close();
    return this.lines;
  }

  /** Idempotent. */
  async close() {
    this.signal('SIGKILL');
    this.#process.stdin.destroy();
    await this.#ended;
  }

  /** Waits until it has said a line that begins so. */
  async says(start, count = 1) {
    const deadline = Date.now() + DEADLINE_MS;
    while (this.lines.filter((line) => line.startsWith(start)).length < count) {
      if (this.#process.exitCode !== null || Date.now() > deadline) {
        throw new Error(`a child never said ${start}: ${this.lines.at(-1)} ${readFileSync(this.#errors, 'utf8')}`);
      }
      await sleep(5);
    }
  }
}

/** Runs a child program to its end, however that comes. */
export async function runChild(program, task, options) {
  return new Child(program, task, options).end();
}

/**
 * Adopts what a process left that was run under a tracer: killed with its tracer only, it ends a moment later.
 *
 * @returns what was found in that folder.
 */
export async function findWhenDead(folder, task, output) {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const found = findingsOf((await runChild('adopter.mjs', task, { output })).lines).get(folder);
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`${folder} is still locked`);
    await sleep(50);
  }
}

/** As many at a time as there is room for on two cores; what is random is drawn before, so that the order is no matter. */
export async function eachOf(items, task) {
  const rest = items.entries();
  const worker = async () => {
    for (const [i, item] of rest) await task(item, i);
  };
  await Promise.all([worker(), worker()]);
}
