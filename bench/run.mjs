// `npm run bench [-- --json]`: ratios against peers, measured in turn in one run on one machine. Never a timed test.
// With --quick it measures a fiftieth, which shows that everything runs and nothing more.
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { ensureStream, connectNats } from '@spanledger/jetstream';
import { startNats } from '@spanledger/testkit';
import { printReport } from './print-report.mjs';
import { summarise } from './summarise.mjs';

const execute = promisify(execFile);
const STREAM = 'AUDIT_EVENTS';
const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } },
});
const SHARE = values.quick ? 50 : 1;
const ROUNDS = values.quick ? 1 : 3;
const PEER = { count: 50_000 / SHARE, warmup: 10_000 / SHARE, windows: [256, 1024, 4096] };
/** Our window is the sink's default, each time. */
const PUBLISH = { count: 100_000 / SHARE, warmup: 10_000 / SHARE, windows: [512, 512, 512] };
const SPAN = { count: 50_000 / SHARE, warmup: 10_000 / SHARE, batch: 500 / SHARE };
const JOURNAL = { count: 100_000 / SHARE, warmup: 10_000 / SHARE, inFlight: 32, recordBytes: 1_000, batch: 50 };
const BURST = { perSecond: 50_000, seconds: values.quick ? 0.5 : 5, warmupSeconds: values.quick ? 0.1 : 3 };
const OUTAGE = { perSecond: 5_000, seconds: values.quick ? 1 : 30, warmup: 10_000 / SHARE };
const SIGN = { count: 10_000 / SHARE, rounds: values.quick ? 2 : 12 };
const CONTENT = { spans: values.quick ? 2 : 40 };
const BUS = { count: 100_000 / SHARE, rounds: values.quick ? 2 : 8 };
const BUS_SOAK = { tasks: 1_000_000 / SHARE };
const RUN_EVENTS = 10;
/** Of one execution in a large ledger and a small one: 200 events in runs of ten. */
const LEDGER = { wanted: 'execution-wanted', wantedRuns: 20 / (values.quick ? 4 : 1) };
const LARGE = { ...LEDGER, events: 1_000_000 / SHARE };
const SMALL = { ...LEDGER, events: 10_000 / (values.quick ? 10 : 1) };
/** What V8 is given it takes: this is what verifying needs. */
const SMALL_HEAP = ['--max-old-space-size=128'];
const UNDESIGNATED = { count: 20_000 / SHARE, rounds: 40 };

const startedMs = Date.now();

const server = await startNats();
const ledgers = { large: await startNats(), small: await startNats() };
// Not the system's folder for such things: that may be memory, which syncs nothing.
const cache = path.join(import.meta.dirname, '../.cache');
mkdirSync(cache, { recursive: true });
const directory = mkdtempSync(path.join(cache, 'bench-'));
const receiver = fork(fileURLToPath(new URL('otlp-receiver.mjs', import.meta.url)));
try {
  const [{ url: receiverUrl }] = await once(receiver, 'message');
  await createStream();
  await fillLedgers();
  const rounds = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    rounds.push(await measureRound(round, { url: server.url, stream: STREAM, receiverUrl, directory }));
  }
  const result = summarise(rounds, {
    natsServer: server.version,
    elapsedMs: Date.now() - startedMs,
    offered: { burst: BURST.perSecond, outage: OUTAGE.perSecond },
  });
  if (values.json) console.log(JSON.stringify(result));
  else printReport(result);
} finally {
  receiver.disconnect();
  rmSync(directory, { recursive: true, force: true });
  for (const one of [server, ledgers.large, ledgers.small]) await one[Symbol.asyncDispose]();
}

async function createStream() {
  const connection = await connectNats({ servers: server.url });
  await ensureStream(connection, { stream: STREAM });
  await connection.close();
}

async function fillLedgers() {
  await runMeasure('fill-ledger', { ...LARGE, url: ledgers.large.url, stream: STREAM }, 'a ledger to read');
  await runMeasure('fill-ledger', { ...SMALL, url: ledgers.small.url, stream: STREAM }, 'a small ledger to read');
}

/** Every measure once: whatever slows the machine down meets ours and the peer's alike. */
async function measureRound(round, target) {
  const measure = (name, input, flags) => runMeasure(name, input, `round ${round} of ${ROUNDS}: ${name}`, flags);
  return {
    ours: await measure('publish-spanledger', { ...target, ...PUBLISH }),
    memoryOnly: await measure('publish-spanledger', { ...target, ...PUBLISH, memoryOnly: true }),
    natsJs: await measure('publish-nats-js', { ...target, ...PEER, asyncTraces: true }),
    natsJsTuned: await measure('publish-nats-js', { ...target, ...PEER, asyncTraces: false }),
    core: await measure('publish-core', { ...target, ...PUBLISH }),
    emitted: await measure('emit-spanledger', { ...target, ...PUBLISH }),
    natsJsObjects: await measure('emit-nats-js', { ...target, ...PEER }),
    audited: await measure('span-spanledger', { ...target, ...SPAN }),
    exported: await measure('span-otlp', { ...target, ...SPAN }),
    undesignated: await measure('span-undesignated', UNDESIGNATED),
    sign: await measure('sign', SIGN),
    content: await measure('content', CONTENT),
    bus: await measure('bus', BUS),
    busSoak: await measure('bus-soak', BUS_SOAK, ['--expose-gc']),
    journal: await measure('journal-spanledger', { ...target, ...JOURNAL }),
    lmdb: await measure('journal-lmdb', { ...target, ...JOURNAL }),
    burst: await measure('loop-delay', { ...target, ...BURST }),
    burstBaseline: await measure('loop-delay', { ...BURST, baseline: true }),
    outage: await measure('outage', { ...target, ...OUTAGE }),
    verified: await measure('verify-ledger', { ...LARGE, stream: STREAM, url: ledgers.large.url }, SMALL_HEAP),
    bareLoop: await measure('bare-loop', { ...LARGE, stream: STREAM, url: ledgers.large.url }),
    execution: await measure('read-execution', {
      wanted: LEDGER.wanted,
      events: LEDGER.wantedRuns * RUN_EVENTS,
      stream: STREAM,
      large: ledgers.large.url,
      small: ledgers.small.url,
    }),
  };
}

async function runMeasure(name, input, title, flags = []) {
  process.stderr.write(`${title}\n`);
  const file = fileURLToPath(new URL(`measures/${name}.mjs`, import.meta.url));
  const { stdout } = await execute(process.execPath, [...flags, file, JSON.stringify(input)]);
  return JSON.parse(stdout);
}
