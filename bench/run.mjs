// `npm run bench [-- --json]`: ratios against peers, measured in turn in one run on one machine. Never a timed test.
// With --quick it measures a fiftieth, which shows that everything runs and nothing more.
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { ensureStream, connectNats } from '@spanledger/jetstream';
import { startNats } from '@spanledger/testkit';
import { median } from './statistics.mjs';
import { printReport } from './print-report.mjs';

const execute = promisify(execFile);
const STREAM = 'AUDIT_EVENTS';
const { values } = parseArgs({
  options: { json: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } },
});
const SHARE = values.quick ? 50 : 1;
const ROUNDS = values.quick ? 1 : 3;
const PUBLISH = { count: 100_000 / SHARE, warmup: 10_000 / SHARE, windows: [256, 1024, 4096] };
const SPAN = { count: 50_000 / SHARE, warmup: 10_000 / SHARE, batch: 500 / SHARE };
const JOURNAL = { count: 100_000 / SHARE, warmup: 10_000 / SHARE, inFlight: 32, recordBytes: 1_000, batch: 50 };
const PEERS = pinned(
  '@nats-io/transport-node',
  '@opentelemetry/sdk-trace-base',
  '@opentelemetry/exporter-trace-otlp-http',
  'lmdb',
);
const UNDESIGNATED = { count: 20_000 / SHARE, rounds: 40 };

const startedMs = Date.now();
const progress = (text) => process.stderr.write(`${text}\n`);

const server = await startNats();
// Not the system's folder for such things: that may be memory, which syncs nothing.
const cache = path.join(import.meta.dirname, '../.cache');
mkdirSync(cache, { recursive: true });
const directory = mkdtempSync(path.join(cache, 'bench-'));
const receiver = fork(fileURLToPath(new URL('otlp-receiver.mjs', import.meta.url)));
try {
  const [{ url: receiverUrl }] = await once(receiver, 'message');
  await createStream();
  const result = summarise(await measureAll({ url: server.url, stream: STREAM, receiverUrl, directory }));
  if (values.json) console.log(JSON.stringify(result));
  else printReport(result);
} finally {
  receiver.disconnect();
  rmSync(directory, { recursive: true, force: true });
  await server[Symbol.asyncDispose]();
}

async function createStream() {
  const connection = await connectNats({ servers: server.url });
  await ensureStream(connection, { stream: STREAM });
  await connection.close();
}

/** Every measure once per round: whatever slows the machine down meets ours and the peer's alike. */
async function measureAll(target) {
  const rounds = [];
  for (let round = 1; round <= ROUNDS; round += 1) {
    progress(`round ${round} of ${ROUNDS}: publish`);
    const ours = await measure('publish-spanledger', { ...target, ...PUBLISH });
    const natsJs = await measure('publish-nats-js', { ...target, ...PUBLISH, asyncTraces: true });
    const natsJsTuned = await measure('publish-nats-js', { ...target, ...PUBLISH, asyncTraces: false });
    const core = await measure('publish-core', { ...target, ...PUBLISH });
    progress(`round ${round} of ${ROUNDS}: spans`);
    const audited = await measure('span-spanledger', { ...target, ...SPAN });
    const exported = await measure('span-otlp', { ...target, ...SPAN });
    const undesignated = await measure('span-undesignated', UNDESIGNATED);
    progress(`round ${round} of ${ROUNDS}: journal`);
    const journal = await measure('journal-spanledger', { ...target, ...JOURNAL });
    const lmdb = await measure('journal-lmdb', { ...target, ...JOURNAL });
    rounds.push({ ours, natsJs, natsJsTuned, core, audited, exported, undesignated, journal, lmdb });
  }
  return rounds;
}

async function measure(name, input) {
  const file = fileURLToPath(new URL(`measures/${name}.mjs`, import.meta.url));
  const { stdout } = await execute(process.execPath, [file, JSON.stringify(input)]);
  return JSON.parse(stdout);
}

/** The exact versions that our package.json names. */
function pinned(...names) {
  const { dependencies } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
  return Object.fromEntries(names.map((name) => [name, dependencies[name]]));
}

/** Medians over the rounds; a ratio is taken within each round, before the median. */
function summarise(rounds) {
  const of = (pick) => Number(median(rounds.map(pick)).toPrecision(4));
  return {
    publish: {
      ratio: of(({ ours, natsJs }) => ours.perSecond / natsJs.perSecond),
      ratio_tuned: of(({ ours, natsJsTuned }) => ours.perSecond / natsJsTuned.perSecond),
      of_ceiling: of(({ ours, core }) => ours.perSecond / core.perSecond),
      per_second: of(({ ours }) => ours.perSecond),
      cpu_us: of(({ ours }) => ours.cpuUs),
      peer_per_second: of(({ natsJs }) => natsJs.perSecond),
      peer_tuned_per_second: of(({ natsJsTuned }) => natsJsTuned.perSecond),
      peer_cpu_us: of(({ natsJs }) => natsJs.cpuUs),
      peer_window: of(({ natsJs }) => natsJs.windowMax),
    },
    span_cpu: {
      ratio: of(({ audited, exported }) => audited.cpuUs / exported.cpuUs),
      us: of(({ audited }) => audited.cpuUs),
      peer_us: of(({ exported }) => exported.cpuUs),
    },
    undesignated: {
      added_us: of(({ undesignated }) => undesignated.sampledAddedUs),
      unsampled_added_us: of(({ undesignated }) => undesignated.unsampledAddedUs),
    },
    hook: { p50_us: of(({ audited }) => audited.hookP50Us), p99_us: of(({ audited }) => audited.hookP99Us) },
    journal: {
      ratio: of(({ journal, lmdb }) => journal.perSecond / lmdb.perSecond),
      per_second: of(({ journal }) => journal.perSecond),
      p99_ms: of(({ journal }) => journal.durableP99Ms),
      append_p50_us: of(({ journal }) => journal.appendP50Us),
      append_p99_us: of(({ journal }) => journal.appendP99Us),
      peer_per_second: of(({ lmdb }) => lmdb.perSecond),
      peer_p99_ms: of(({ lmdb }) => lmdb.durableP99Ms),
    },
    rounds: rounds.length,
    elapsed_ms: Date.now() - startedMs,
    machine: { cpu: os.cpus()[0]?.model ?? 'unknown', cores: os.cpus().length, node: process.version },
    versions: { nats_server: server.version, ...PEERS },
    not_measured: [
      'a network between service and server: all is on one machine, and the server shares its cores',
      'a replicated stream, and `sync_interval: always`',
      'TLS',
      'an application around the spans',
    ],
  };
}
