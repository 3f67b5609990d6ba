import { startNats } from '@spanledger/testkit';
import { expect, it } from 'vitest';
import { App } from './support/app.ts';
import { readLedger } from './support/ledger.ts';
import { OtlpReceiver } from './support/otlp-receiver.ts';

const SPANS = 10_000;

it('makes 10,000 events of 10,000 spans in one synchronous burst, where BatchSpanProcessor drops most', async () => {
  await using nats = await startNats();
  await using collector = await OtlpReceiver.start();
  await using app = new App('burst.mjs', {
    env: { ...collector.env, OTEL_SERVICE_NAME: 'burst', SPANLEDGER_NATS_URL: nats.url },
  });
  expect(await app.ended()).toBe(0);

  const { events, report } = await readLedger(nats.url);
  const work = events.filter(({ event }) => event === 'work');
  expect(work.map(({ fields }) => fields?.['mark'])).toEqual(Array.from({ length: SPANS }, (_, i) => `b${i + 1}`));
  expect(report.runs).toHaveLength(1);

  // The same spans, in the same process, through OpenTelemetry's own queue: this is why audit is not behind it.
  expect(collector.spans.length).toBeGreaterThan(0);
  expect(collector.spans.length).toBeLessThan(SPANS);
  console.log(`audit events: ${work.length}; exported by BatchSpanProcessor: ${collector.spans.length}`);
});
