import { type NatsServer, startNats } from '@spanledger/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { App } from './support/app.ts';
import { endedRuns, readLedger } from './support/ledger.ts';
import { OtlpReceiver } from './support/otlp-receiver.ts';
import { seededRandom } from './support/seeded-random.ts';

const REQUESTS = 200;
/** OpenTelemetry samples a trace by its id: with ids of our own, the same traces are chosen in every process. */
const TRACE_IDS = traceIds(REQUESTS);
/** With a parent's decision: one trace of a hundred was sampled by the caller. */
const SAMPLED_BY_CALLER = new Set(TRACE_IDS.filter((_, i) => i % 100 === 7));

interface Case {
  readonly sampler: string;
  readonly ratio: string;
  /** How many traces are exported: enough of them, and few enough, to tell the cases apart. */
  readonly traces: number;
}
const CASES: readonly Case[] = [
  { sampler: 'traceidratio', ratio: '0', traces: 0 },
  { sampler: 'traceidratio', ratio: '0.01', traces: 4 },
  { sampler: 'traceidratio', ratio: '1', traces: REQUESTS },
  { sampler: 'parentbased_traceidratio', ratio: '1', traces: SAMPLED_BY_CALLER.size },
];

let nats: NatsServer;
beforeAll(async () => void (nats = await startNats()));
afterAll(() => nats?.close());

describe.sequential('whatever the sampler', () => {
  const audited: (readonly string[])[] = [];

  it.each(CASES)('$sampler $ratio: all is audited, and no more is exported than without us', async (options) => {
    const label = `${options.sampler}-${options.ratio}`;
    const [ours, alone] = await Promise.all([
      exportedBy('spanledger.mjs', options, label),
      exportedBy('otel-alone.mjs', options, label),
    ]);
    // Per trace: so many spans of such a name.
    expect(ours).toEqual(alone);
    const traces = new Set(ours.map((span) => span.split(' ', 1)[0]));
    expect(traces.size).toBe(options.traces);

    const runs = await endedRuns(
      nats.url,
      TRACE_IDS.map((id) => `${label}-${id}`),
    );
    audited.push(runs.flat().map(({ event }) => event));
    // Who reads an event knows whether there is a trace to look at.
    for (const event of runs.flat().filter(({ trace_id: id }) => id !== undefined)) {
      expect(event.trace_sampled).toBe(traces.has(event.trace_id) ? true : undefined);
    }
  });

  it('the same events', async () => {
    const [first = [], ...others] = audited;
    expect(others).toHaveLength(CASES.length - 1);
    expect(first).toHaveLength(4 * REQUESTS);
    for (const other of others) expect(other).toEqual(first);
    const { events, report } = await readLedger(nats.url);
    expect(events).toHaveLength(4 * REQUESTS * CASES.length);
    expect(report.openRuns).toBe(0);
  });
});

/** Runs the application and sends it all requests. @returns `<trace id> <span name>` for every span that it exported. */
async function exportedBy(load: string, { sampler, ratio }: Case, label: string): Promise<string[]> {
  await using collector = await OtlpReceiver.start();
  await using app = await App.serve('plain.mjs', {
    load,
    env: {
      ...collector.env,
      OTEL_BSP_MAX_QUEUE_SIZE: '100000',
      OTEL_SERVICE_NAME: 'sampled',
      OTEL_TRACES_SAMPLER: sampler,
      OTEL_TRACES_SAMPLER_ARG: ratio,
      SPANLEDGER_NATS_URL: nats.url,
    },
  });
  for (const id of TRACE_IDS) {
    const flag = SAMPLED_BY_CALLER.has(id) ? '01' : '00';
    const { status } = await app.get(`/work?mark=${label}-${id}`, { traceparent: `00-${id}-00f067aa0ba902b7-${flag}` });
    expect(status).toBe(200);
  }
  expect(await app.stop()).toBe(143);
  expect(app.stderr).toBe('');
  return collector.spans.map(({ traceId, name }) => `${traceId} ${name}`).toSorted();
}

/** Random ones, of which none is chosen at 1 %, and four that are. */
function traceIds(count: number): string[] {
  const random = seededRandom(4);
  const word = (): string =>
    Math.floor(random() * 2 ** 32)
      .toString(16)
      .padStart(8, '0');
  return Array.from({ length: count }, (_, i) => {
    const [a, b, c] = [word(), word(), word()];
    const xored = (Number.parseInt(a, 16) ^ Number.parseInt(b, 16) ^ Number.parseInt(c, 16)) >>> 0;
    // The sampler compares the words, xored, with the ratio.
    const wanted = i % 50 === 0 ? i + 1 : 2 ** 31 + i;
    return a + b + c + ((xored ^ wanted) >>> 0).toString(16).padStart(8, '0');
  });
}
