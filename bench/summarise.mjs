// From what every round measured to the result with its fixed keys.
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { median } from './statistics.mjs';

const PEERS = [
  '@nats-io/transport-node',
  '@opentelemetry/sdk-trace-base',
  '@opentelemetry/exporter-trace-otlp-http',
  'lmdb',
  'eventemitter3',
  'rxjs',
];
/** A burst of which less was offered says nothing. */
const OFFERED_MIN = 0.95;

/** Medians over the rounds; a ratio is taken within each round, before the median. */
export function summarise(rounds, { natsServer, elapsedMs, offered }) {
  const of = (pick) => Number(median(rounds.map(pick)).toPrecision(4));
  const offeredPerSecond = of(({ burst }) => burst.offeredPerSecond);
  return {
    publish: {
      ratio: of(({ ours, natsJs }) => ours.perSecond / natsJs.perSecond),
      ratio_tuned: of(({ ours, natsJsTuned }) => ours.perSecond / natsJsTuned.perSecond),
      of_ceiling: of(({ ours, core }) => ours.perSecond / core.perSecond),
      per_second: of(({ ours }) => ours.perSecond),
      cpu_us: of(({ ours }) => ours.cpuUs),
      memory_per_second: of(({ memoryOnly }) => memoryOnly.perSecond),
      memory_cpu_us: of(({ memoryOnly }) => memoryOnly.cpuUs),
      peer_per_second: of(({ natsJs }) => natsJs.perSecond),
      peer_tuned_per_second: of(({ natsJsTuned }) => natsJsTuned.perSecond),
      peer_cpu_us: of(({ natsJs }) => natsJs.cpuUs),
      peer_window: of(({ natsJs }) => natsJs.windowMax),
    },
    emit: {
      ratio: of(({ emitted, natsJsObjects }) => emitted.perSecond / natsJsObjects.perSecond),
      per_second: of(({ emitted }) => emitted.perSecond),
      cpu_us: of(({ emitted }) => emitted.cpuUs),
      peer_per_second: of(({ natsJsObjects }) => natsJsObjects.perSecond),
      peer_cpu_us: of(({ natsJsObjects }) => natsJsObjects.cpuUs),
      peer_window: of(({ natsJsObjects }) => natsJsObjects.windowMax),
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
    sign: {
      checkpoint_added_us: of(({ sign }) => sign.checkpointAddedUs),
      event_added_us: of(({ sign }) => sign.eventAddedUs),
      unsigned_us: of(({ sign }) => sign.unsignedUs),
    },
    transcript: { content_ms_per_million_units: of(({ content }) => content.msPerMillionUnits) },
    journal: {
      ratio: of(({ journal, lmdb }) => journal.perSecond / lmdb.perSecond),
      per_second: of(({ journal }) => journal.perSecond),
      p99_ms: of(({ journal }) => journal.durableP99Ms),
      append_p50_us: of(({ journal }) => journal.appendP50Us),
      append_p99_us: of(({ journal }) => journal.appendP99Us),
      peer_per_second: of(({ lmdb }) => lmdb.perSecond),
      peer_p99_ms: of(({ lmdb }) => lmdb.durableP99Ms),
    },
    loop_delay: {
      p50_ms: of(({ burst }) => burst.p50Ms),
      p99_ms: of(({ burst }) => burst.p99Ms),
      max_ms: of(({ burst }) => burst.maxMs),
      baseline_p99_ms: of(({ burstBaseline }) => burstBaseline.p99Ms),
      offered_per_second: offeredPerSecond,
      counts: offeredPerSecond >= offered.burst * OFFERED_MIN,
    },
    drain: {
      ratio: of(({ outage }) => outage.drainedPerSecond / offered.outage),
      per_second: of(({ outage }) => outage.drainedPerSecond),
      backlog: of(({ outage }) => outage.backlog),
      resume_ms: of(({ outage }) => outage.resumeMs),
    },
    memory: {
      outage_rss_growth_mb: of(({ outage }) => outage.rssGrowthMb),
      outage_live_growth_mb: of(({ outage }) => outage.liveGrowthMb),
      slope: of(({ outage }) => outage.rssMbPerMinute),
    },
    verify: {
      of_bare_loop: of(({ verified, bareLoop }) => verified.perSecond / bareLoop.perSecond),
      per_second: of(({ verified }) => verified.perSecond),
      peer_per_second: of(({ bareLoop }) => bareLoop.perSecond),
      runs: of(({ verified }) => verified.runs),
      peak_mb: of(({ verified }) => verified.peakMb),
    },
    read_execution: {
      ratio: of(({ execution }) => execution.largeMs / execution.smallMs),
      ms: of(({ execution }) => execution.largeMs),
      small_ms: of(({ execution }) => execution.smallMs),
    },
    bus: Object.fromEntries(
      [0, 1, 100].map((subscribers) => [`subscribers_${subscribers}`, busCosts(of, subscribers)]),
    ),
    bus_soak: {
      tasks: of(({ busSoak }) => busSoak.tasks),
      heap_growth_mb: of(({ busSoak }) => busSoak.heapGrowthMb),
      rss_before_mb: of(({ busSoak }) => busSoak.rssBeforeMb),
      rss_mb: of(({ busSoak }) => busSoak.rssMb),
      rss_max_mb: of(({ busSoak }) => busSoak.rssMaxMb),
      task_us: of(({ busSoak }) => busSoak.taskUs),
    },
    rounds: rounds.length,
    elapsed_ms: elapsedMs,
    machine: { cpu: os.cpus()[0]?.model ?? 'unknown', cores: os.cpus().length, node: process.version },
    versions: { nats_server: natsServer, ...pinned() },
    not_measured: [
      'a network between service and server: all is on one machine, and the server shares its cores',
      'another disk than the one that `.cache` of this folder is on; the server keeps its stream on that of temporary files',
      'an outage of more than half a minute, and memory over more than that',
      'a replicated stream, and `sync_interval: always`',
      'TLS',
      'an application around the spans',
    ],
  };
}

/** CPU of one event until all its subscribers have had it, and how many times that of each peer it is. */
function busCosts(of, subscribers) {
  const ratio = (peer) => of(({ bus }) => bus[subscribers].ours.us / bus[subscribers][peer].us);
  return {
    us: of(({ bus }) => bus[subscribers].ours.us),
    publish_us: of(({ bus }) => bus[subscribers].ours.publishUs),
    of_event_emitter: ratio('eventEmitter'),
    of_cloning: ratio('cloning'),
    of_eventemitter3: ratio('eventEmitter3'),
    of_rxjs: ratio('rxjs'),
  };
}

/** The exact versions of the peers that our package.json names. */
function pinned() {
  const { dependencies } = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
  return Object.fromEntries(PEERS.map((name) => [name, dependencies[name]]));
}
