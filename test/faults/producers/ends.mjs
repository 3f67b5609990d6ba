// A service that emits, and ends as `end` says in the midst of it: by itself, or by a signal that the case sends when it is told to.
// What it knows of its end it writes into a file as the very last thing, because nobody listens any more.
import { readFileSync, writeFileSync } from 'node:fs';
import { context, trace } from '@opentelemetry/api';
import { start, workflow } from '@spanledger/node';
import { options } from './offering.mjs';
import { Tally } from './tally.mjs';

const { producer, servers, journal, shutdownTimeoutMs, end, count, endFile } = options;
const PER_TURN = 20;
const PAUSE_MS = 5;

/** In the turn of the last event, so that it is in the journal alone. */
const ENDS = {
  exit: () => process.exit(7),
  throw: () => {
    throw new Error('thrown on purpose');
  },
  reject: () => void Promise.reject(new Error('rejected on purpose')),
  natural: () => {
    process.exitCode = 3;
    clearInterval(emitting);
    endRun();
  },
};

await start({
  producer,
  nats: { servers },
  journal,
  shutdownTimeoutMs,
  audit: [{ when: { name: 'work' }, event: 'work', fields: { p: 'faults.p', r: 'faults.r', n: 'faults.n' } }],
});
const tracer = trace.getTracer('faults');
const tally = new Tally(options.tallyFile);
let n = 0;
let endRun;
let emitting;
let begunAtMs;
let waitedBeforeMs = 0;
process.on('exit', () => {
  const starvedMs = waitedForCpuMs() - waitedBeforeMs;
  writeFileSync(endFile, JSON.stringify({ begunAtMs, endedAtMs: Date.now(), starvedMs }));
});

void workflow.run({ workflowId: 'faults' }, () => {
  const inRun = context.active();
  emitting = setInterval(() => emitSome(inRun), PAUSE_MS);
  return new Promise((resolve) => (endRun = resolve));
});

function emitSome(inRun) {
  for (let i = 0; i < PER_TURN; i += 1) emit(inRun);
  // For a signal it goes on: requests end while a service shuts down.
  if (n < count) return;
  const endNow = ENDS[end];
  if (endNow === undefined) {
    if (n === count) {
      waitedBeforeMs = waitedForCpuMs();
      process.send({ ready: true });
    }
    return;
  }
  waitedBeforeMs = waitedForCpuMs();
  begunAtMs = Date.now();
  endNow();
}

function emit(inRun) {
  n += 1;
  tally.offer(0, n);
  const attributes = { 'faults.p': options.process, 'faults.r': 0, 'faults.n': n };
  tracer.startSpan('work', { attributes }, inRun).end();
  tally.accept(0, n);
}

/** How long this thread could have run and was not let: a machine that is busy with others. Linux only; elsewhere none. */
function waitedForCpuMs() {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return 0;
  }
}
