import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from './wait.mjs';

const READY_MS = 180_000;
const STDERR_MAX_CHARS = 64 * 1024;
const DEFAULTS = {
  program: 'pipeline',
  producer: 'faults',
  stream: {},
  runs: 8,
  eventsPerRun: 1_000,
  count: Number.MAX_SAFE_INTEGER,
  padBytes: 200,
  pipeline: {},
  sink: {},
};

/** Events per second. In small it has to go well on a slow and busy machine, and shows nothing about speed. */
const RATE = { quick: 2_000, full: 5_000 };

let started = 0;

/** Forks a producer, and waits until it offers events. Its options: see the README. It is killed with the case. */
export async function startProducer(context, { under = [], execArgv = [], env = {}, ...options }) {
  started += 1;
  const name = `p${started}`;
  const settings = {
    ...DEFAULTS,
    rate: context.quick ? RATE.quick : RATE.full,
    journal: { directory: path.join(context.directory, 'journal') },
    ...options,
    process: name,
    tallyFile: path.join(context.directory, `${name}.tally`),
  };
  const producer = context.own(new Producer(settings, { under, execArgv, env, context }));
  context.producers.push(producer);
  await waitFor(
    () => 'a producer does not start',
    () => producer.whileAlive(producer.ready),
    { deadlineMs: READY_MS, signal: context.signal },
  );
  return producer;
}

/** A process that offers events. What it has said last is in `stats`. */
class Producer {
  process;
  tallyFile;
  /** Events per second that it was started with. */
  rate;
  ready = false;
  killed = false;
  stats = undefined;
  finished = undefined;
  stderr = '';
  #child;
  #exited;
  /** Exit code or signal. */
  #exit = '';
  /** It goes on offering until it is told to stop. */
  #isOffering;
  #context;
  #signal;

  constructor(settings, { under, execArgv, env, context }) {
    this.process = settings.process;
    this.tallyFile = settings.tallyFile;
    this.rate = settings.rate;
    this.#isOffering = settings.count === DEFAULTS.count && settings.rate > 0;
    this.#context = context;
    this.#signal = context.signal;
    const program = fileURLToPath(new URL(`../producers/${settings.program}.mjs`, import.meta.url));
    const [command, ...args] = [...under, process.execPath, ...execArgv, program, JSON.stringify(settings)];
    this.#child = spawn(command, args, {
      // Nothing that it leaves in its working directory is found by another case.
      cwd: path.dirname(settings.tallyFile),
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, ...env },
    });
    this.#child.stderr.on('data', (chunk) => (this.stderr = (this.stderr + chunk).slice(-STDERR_MAX_CHARS)));
    this.#child.on('message', (message) => this.#onMessage(message));
    this.#exited = once(this.#child, 'exit').then(([code, name]) => (this.#exit = String(name ?? code)));
  }

  get pid() {
    return this.#child.pid;
  }

  /** @returns `value`. @throws if the process is gone, and nobody killed it. */
  whileAlive(value) {
    if (this.#exit === '' || this.killed) return value;
    throw new Error(`producer ${this.process} ended with ${this.#exit}\n${this.stderr}`);
  }

  /** `SIGKILL`, and waits until it is gone. */
  async kill() {
    this.whileAlive();
    this.killed = true;
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  signal(name) {
    this.#child.kill(name);
  }

  setRate(rate) {
    this.#isOffering &&= rate > 0;
    this.#child.send({ rate });
  }

  /** Event loop delays count from now on. */
  resetLoop() {
    this.#child.send({ resetLoop: true });
  }

  /** Waits until it says something new that meets `test`. */
  async says(what, test, deadlineMs) {
    const before = this.stats;
    return waitFor(
      () => `${what}; last: ${JSON.stringify(this.stats)}\n${this.stderr}`,
      () => this.whileAlive(this.stats !== before && this.stats !== undefined && test(this.stats) && this.stats),
      { deadlineMs, signal: this.#signal },
    );
  }

  /**
   * Waits until what it had emitted by now is acknowledged, and no more waits than what is on its way.
   *
   * @param {number} onTheWay events
   */
  async drained(deadlineMs = 300_000, onTheWay = 5_000) {
    const waiting = ({ health: { queue, journal } }) => Math.max(queue.events, journal?.unacknowledged ?? 0);
    const { offered } = await this.says('it says nothing', () => true, deadlineMs);
    const isDrained = (stats) => waiting(stats) <= onTheWay && stats.offered - waiting(stats) >= offered;
    return this.says('not drained', isDrained, deadlineMs);
  }

  /**
   * Stops offering, waits until all is stored, shuts down. In small it goes on until the case has offered what it must: that is
   * less than its rate on a busy machine.
   *
   * @throws unless it ends in time and with exit code 0
   */
  async finish(deadlineMs = 300_000) {
    this.whileAlive();
    const { quick, minimum, producers } = this.#context;
    const offered = () => producers.reduce((sum, { stats }) => sum + (stats?.offered ?? 0), 0);
    if (quick && this.#isOffering && offered() < minimum.offered)
      await this.says('it does not offer enough', () => offered() >= minimum.offered, deadlineMs);
    this.#child.send({ endWithinMs: deadlineMs });
    await waitFor(
      () => `producer ${this.process} does not end\n${this.stderr}`,
      () => this.#exit !== '',
      { deadlineMs: deadlineMs + 30_000, signal: this.#signal },
    );
    if (this.#exit !== '0') throw new Error(`producer ${this.process} ended with ${this.#exit}\n${this.stderr}`);
    if (!this.finished?.inTime) throw new Error(`producer ${this.process} had not stored all in time\n${this.stderr}`);
    return this.stats;
  }

  async [Symbol.asyncDispose]() {
    if (this.#exit !== '') return;
    this.killed = true;
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  #onMessage({ ready, stats, finished }) {
    if (ready) this.ready = true;
    if (stats) this.stats = stats;
    if (finished) this.finished = finished;
  }
}
