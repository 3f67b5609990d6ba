// What both programs have in common: runs that are opened, filled with numbered events at a rate, and ended; and the talk
// with the parent. What they differ in is how a run is opened.
import { readdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Tally } from './tally.mjs';

const TICK_MS = 5;
/** After a freeze, what was missed is caught up with at most this much in one tick. In seconds of the rate. */
const CATCH_UP_S = 0.1;
const STATS_MS = 250;
/** In one turn at most, so that the event loop turns at any rate. */
const TURN_MAX = 500;

export const options = JSON.parse(process.argv[2]);

/**
 * Offers events until it is told to stop.
 *
 * @param {object} source
 * @param {() => object | Promise<object>} source.openRun with `emit(fields)`, which makes one designated event, and `end()`
 * @param {() => object} source.health
 * @param {(deadlineMs: number) => Promise<boolean>} source.finish flush and shut down; whether all was stored
 */
export async function offerEvents({ openRun, health, finish }) {
  const offering = new Offering(openRun);
  await offering.fill();
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const stats = () => ({
    offered: offering.tally.offered,
    rssBytes: process.memoryUsage.rss(),
    fds: openFiles(),
    loopP99Ms: loop.percentile(99) / 1e6,
    health: health(),
  });
  const reports = setInterval(() => process.send({ stats: stats() }), STATS_MS);
  const end = async (deadlineMs) => {
    clearInterval(reports);
    offering.stop();
    const last = stats(); // Before the end: what was held while offering.
    const inTime = await finish(deadlineMs);
    process.send({ stats: { ...stats(), loopP99Ms: last.loopP99Ms }, finished: { inTime } }, () => process.exit(0));
  };
  process.on('message', ({ rate, resetLoop, endWithinMs }) => {
    if (rate !== undefined) offering.rate = rate;
    if (resetLoop) loop.reset();
    if (endWithinMs !== undefined) void end(endWithinMs);
  });
  process.on('disconnect', () => process.exit(3)); // The suite is gone.
  process.send({ ready: true });
  offering.start();
}

class Offering {
  rate = options.rate;
  tally = new Tally(options.tallyFile);
  #openRun;
  #runs = [];
  #runCount = 0;
  #turn = 0;
  #pad = 'x'.repeat(options.padBytes);
  #timer;
  #lastMs = 0;
  #owed = 0;

  constructor(openRun) {
    this.#openRun = openRun;
  }

  async fill() {
    while (this.#runs.length < options.runs) this.#runs.push(await this.#open());
  }

  start() {
    this.#lastMs = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  stop() {
    clearInterval(this.#timer);
    for (const { run } of this.#runs) run.end();
    this.#runs = [];
  }

  #tick() {
    const nowMs = performance.now();
    this.#owed += ((nowMs - this.#lastMs) / 1000) * this.rate;
    this.#owed = Math.min(this.#owed, Math.max(1, this.rate * CATCH_UP_S));
    this.#lastMs = nowMs;
    for (let turn = 0; turn < TURN_MAX && this.#owed >= 1; turn += 1) {
      if (this.tally.offered >= options.count) return;
      this.#owed -= 1;
      this.#emit();
    }
  }

  #emit() {
    this.#turn = (this.#turn + 1) % this.#runs.length;
    const slot = this.#runs[this.#turn];
    if (slot.run === undefined) return; // The next one is being opened.
    slot.n += 1;
    this.tally.offer(slot.r, slot.n);
    slot.run.emit({ p: options.process, r: slot.r, n: slot.n, pad: this.#pad });
    this.tally.accept(slot.r, slot.n);
    if (slot.n >= options.eventsPerRun) this.#replace(slot);
  }

  #replace(slot) {
    slot.run.end();
    slot.run = undefined;
    void this.#open().then((opened) => Object.assign(slot, opened));
  }

  async #open() {
    const r = this.#runCount;
    this.#runCount += 1;
    return { run: await this.#openRun(), r, n: 0 };
  }
}

/** Linux only: elsewhere it is not known. */
function openFiles() {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return undefined;
  }
}
