import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const RUN = path.resolve(import.meta.dirname, '../bench/run.mjs');
const positive = expect.toSatisfy((value: unknown) => typeof value === 'number' && value > 0, 'a number above 0');
const finite = expect.toSatisfy(Number.isFinite, 'a number');

// What it measures is not judged here: this machine may be busy.
it('measures everything, and its last line has the fixed keys', { timeout: 600_000 }, async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [RUN, '--json', '--quick']);
  expect(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')).toMatchObject({
    publish: { ratio: positive, ratio_tuned: positive, of_ceiling: positive, memory_per_second: positive },
    emit: { ratio: positive, cpu_us: positive },
    span_cpu: { ratio: positive },
    undesignated: { added_us: finite, unsampled_added_us: finite },
    hook: { p50_us: positive, p99_us: positive },
    sign: { checkpoint_added_us: finite, event_added_us: finite },
    transcript: { content_ms_per_million_units: positive },
    bus: {
      subscribers_0: { us: positive, of_event_emitter: positive, of_eventemitter3: positive, of_rxjs: positive },
      subscribers_1: { of_cloning: positive },
      subscribers_100: { publish_us: positive },
    },
    bus_soak: { tasks: 20_000, rss_mb: positive, rss_max_mb: positive },
    journal: { ratio: positive },
    loop_delay: {
      p99_ms: positive,
      baseline_p99_ms: positive,
      offered_per_second: positive,
      counts: expect.any(Boolean),
    },
    drain: { ratio: positive, per_second: positive, resume_ms: positive },
    memory: { slope: finite, outage_rss_growth_mb: finite, outage_live_growth_mb: finite },
    verify: { of_bare_loop: positive, peak_mb: positive },
    read_execution: { ratio: positive },
    machine: { cpu: expect.any(String), cores: positive, node: process.version },
    not_measured: expect.arrayContaining([expect.any(String)]),
  });
});
