import { setTimeout as delay } from 'node:timers/promises';
import { startNats } from '@spanledger/testkit';
import { expect, it } from 'vitest';
import { App } from './support/app.ts';
import { readLedger, runsByMark, storedEvents } from './support/ledger.ts';
import { waitFor } from './support/wait-for.ts';

const OUTAGE_MS = 10_000;
const SERVED_MIN = 100;
const PAUSE_MS = 20;
const EVENTS_PER_REQUEST = 4;

it('serves while NATS is down, at the start and for 10 seconds later, and stores everything in the end', async () => {
  await using nats = await startNats({ monitoring: true });
  await nats.stop(); // Its port is known now, and nothing listens there.
  await using app = await App.serve('agent.mjs', {
    env: { OTEL_SERVICE_NAME: 'steady', SPANLEDGER_NATS_URL: nats.url },
  });
  const client = new Client(app);

  for (let i = 0; i < 20; i += 1) await client.request();
  await nats.restart();
  await storedEvents(nats.url, 'work', client.served);

  // It goes down, and comes back, in the midst of requests.
  const requests = client.keepRequesting();
  await nats.stop();
  const servedAtStop = client.served;
  await delay(OUTAGE_MS);
  // One after the other: if one waited for NATS, none would come after it.
  await waitFor(
    () => `${SERVED_MIN} answers while NATS is down: there are ${client.served - servedAtStop}`,
    () => client.served - servedAtStop >= SERVED_MIN || undefined,
  );
  await nats.restart();
  client.stop();
  await requests;

  // It is not the end of the process that brings the events out.
  await storedEvents(nats.url, 'invocation_complete', client.served);
  expect(await app.stop()).toBe(143);
  const { events, report } = await readLedger(nats.url);
  expect(report).toMatchObject({ openRuns: 0, duplicates: 0, losses: 0, gaps: 0 });
  expect(runsByMark(events).size).toBe(client.served);
  expect(events).toHaveLength(client.served * EVENTS_PER_REQUEST);
  expect(app.stderr.match(/NATS cannot be reached/g)).toHaveLength(1);
});

/** Sends one request after the other, each marked, and sees to it that each is answered. */
class Client {
  served = 0;
  #stopped = false;
  readonly #app: App;

  constructor(app: App) {
    this.#app = app;
  }

  async request(): Promise<void> {
    const { status } = await this.#app.get(`/work?mark=r${this.served}`, { 'X-Workflow-Execution-Id': 'exec-outage' });
    expect(status).toBe(200);
    this.served += 1;
  }

  async keepRequesting(): Promise<void> {
    for (; !this.#stopped; await delay(PAUSE_MS)) await this.request();
  }

  stop(): void {
    this.#stopped = true;
  }
}
