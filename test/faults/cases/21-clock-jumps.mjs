// The wall clock jumps by a day and by an hour, ahead and back, while events are emitted, and from one process to the next:
// numbers go on, every run verifies, and only `ts` shows it. Where libfaketime is installed, the kernel's answer jumps as well.
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { startNats } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { runHeirs } from '../lib/heirs.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { readStream } from '../lib/read-stream.mjs';
import { pause } from '../lib/wait.mjs';

const CLOCK = path.join(import.meta.dirname, '../producers/shifted-clock.mjs');
const DAY_MS = 24 * 3_600_000;
/** All shifts of the injected clock, once. */
const JUMPS = 6;
const FAKETIME = ['x86_64', 'aarch64']
  .map((machine) => `/usr/lib/${machine}-linux-gnu/faketime/libfaketimeMT.so.1`)
  .find((file) => existsSync(file));

export default {
  number: 21,
  title: 'clock set by a day, by an hour',
  quick: true,
  minimum: { quick: { offered: 2_000, faults: 8 }, full: { offered: 100_000, faults: 80 } },

  async run(context) {
    const rounds = context.quick ? 1 : 10;
    const server = context.own(await startNats());
    const options = { servers: server.url, journal: { directory: `${context.directory}/journal` } };
    const producers = [];
    let faults = 0;
    for (let round = 1; round <= rounds; round += 1) {
      // Each is killed, so that the next one takes over a journal of tomorrow, or of yesterday.
      for (const shiftMs of [DAY_MS, -DAY_MS]) {
        const env = { CLOCK_SHIFT_MS: String(shiftMs) };
        const producer = await startProducer(context, { ...options, env, execArgv: ['--import', CLOCK] });
        producers.push(producer);
        faults += 1 + (await jump(context, JUMPS, () => producer.signal('SIGUSR2')));
        await producer.kill();
      }
      if (FAKETIME !== undefined) faults += await underFaketime(context, options, producers);
      context.progress(`round ${round} of ${rounds}`);
    }
    producers.push(...(await runHeirs(context, options)));
    const figures = await account({ servers: server.url, producers, clocks: true });
    const { backwards, aDayAhead } = await jumpsInLedger(server.url);
    // Else the clock was never shifted, and nothing was tried.
    if (backwards === 0 || aDayAhead === 0) figures.problems.push('no jump of the clock is in the ledger');
    if (figures.notes.clock_skews === 0) figures.problems.push('verify does not tell that clocks were ahead');
    Object.assign(figures.notes, {
      ts_backwards: backwards,
      ts_a_day_ahead: aDayAhead,
      faketime: FAKETIME !== undefined,
    });
    return { faults, ...figures };
  },
};

async function jump(context, times, jumpOnce) {
  for (let i = 0; i < times; i += 1) {
    await pause(context, context.quick ? 150 : 250);
    jumpOnce(i);
  }
  await pause(context, 150);
  return times;
}

/** The same below JavaScript: file times and the server's TLS would see it as well. */
async function underFaketime(context, options, producers) {
  const file = path.join(context.directory, 'faketime');
  writeFileSync(file, '+0');
  const env = {
    LD_PRELOAD: FAKETIME,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
  const producer = await startProducer(context, { ...options, env });
  producers.push(producer);
  const jumps = await jump(context, JUMPS, (i) => writeFileSync(file, ['+1d', '+0', '-1d', '+0', '+1h', '+0'][i]));
  await producer.kill();
  return jumps;
}

/** How often `ts` goes back within a run, and how many events are from tomorrow. */
async function jumpsInLedger(servers) {
  const lastMs = new Map();
  let backwards = 0;
  let aDayAhead = 0;
  await readStream({ servers, stream: 'AUDIT_EVENTS' }, ({ bytes, storedAtMs }) => {
    const { ts, run_id: runId } = JSON.parse(Buffer.from(bytes).toString());
    const tsMs = Date.parse(ts);
    if (tsMs < (lastMs.get(runId) ?? 0)) backwards += 1;
    if (tsMs > storedAtMs + DAY_MS / 2) aDayAhead += 1;
    lastMs.set(runId, tsMs);
  });
  return { backwards, aDayAhead };
}
