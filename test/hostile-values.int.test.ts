import { type NatsServer, startNats } from '@spanledger/testkit';
import type { AuditEvent } from '@spanledger/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { App } from './support/app.ts';
import { endedRuns, readLedger } from './support/ledger.ts';

const EVENT_MAX_BYTES = 65_536;
const WORKFLOW = { 'X-Workflow-Id': 'true-workflow', 'X-Workflow-Execution-Id': 'true-execution' };

let nats: NatsServer;
let app: App;
beforeAll(async () => {
  nats = await startNats();
  app = await App.serve('hostile-values.mjs', {
    load: 'spanledger-all-values.mjs',
    env: { OTEL_SERVICE_NAME: 'careless', SPANLEDGER_NATS_URL: nats.url },
  });
});
afterAll(async () => {
  await app?.[Symbol.asyncDispose]();
  await nats?.close();
});

/** What survives of each value: itself, or a mark. */
const MARKED = {
  cyclic: { name: 'loop', self: '[cyclic]' },
  huge: expect.stringMatching(/^x{1024}…\[truncated:4998976\]$/),
  bigint: '12345678901234567890',
  enormous: '[bigint too large]',
  nan: 'NaN',
  bytes: '[bytes:1000000]',
  surrogate: 'a\ufffdb',
  json: '[unreadable]',
  proxy: '[unreadable]',
  getter: '[unreadable]',
};

describe.sequential('a service that is careless with its values', () => {
  it.each(['span', 'emit'])('gets them as they are, or truncated with a mark (%s)', async (way) => {
    const { fields } = await hostileEvent(way);
    expect(fields).toMatchObject(MARKED);
    expect(JSON.stringify(fields?.['deep'])).toContain('[too deep]');
    expect(JSON.stringify(fields?.['wide'])).toContain('…[truncated:');
    // Names of the envelope and of prototypes are fields like others, or nothing; they never leave `fields`.
    expect(fields).toMatchObject({ workflow_id: 'forged', seq: 99 });
    expect(Object.keys(fields ?? {})).not.toEqual(expect.arrayContaining(['__proto__']));
    expect(Object.keys(fields ?? {})).not.toEqual(expect.arrayContaining(['symbol', 'thing']));
  });

  it('gets what the API of OpenTelemetry lets through', async () => {
    const { fields } = await hostileEvent('api');
    expect(fields).toMatchObject({ huge: MARKED.huge, mark: 'm-api' });
  });

  it('cannot change an event after the end of its span', async () => {
    const event = await hostileEvent('mutate');
    expect(event.fields).toEqual({ mark: 'm-mutate', huge: 'as it was' });
    expect(event.trace_id).not.toMatch(/^f+$/);
    expect(Date.parse(event.ts)).toBeLessThan(Date.now() + 60_000);
  });

  it('never saw an exception of ours', async () => {
    const { body } = await app.get('/faults');
    expect(body).toEqual([]);
    expect(await app.stop()).toBe(143);
    const { events, records, report } = await readLedger(nats.url);
    expect(report.openRuns).toBe(0);
    expect(events.filter(({ event }) => event === 'forged')).toEqual([]);
    for (const { bytes } of records) expect(bytes.length).toBeLessThanOrEqual(EVENT_MAX_BYTES);
    expect(Buffer.concat(records.map(({ bytes }) => bytes)).toString()).not.toContain('"as it was","huge"');
  });
});

/** Asks the service for it, and finds it in the ledger, where its workflow is the one of the request. */
async function hostileEvent(way: string): Promise<AuditEvent> {
  const { status } = await app.get(`/${way}?mark=m-${way}`, WORKFLOW);
  expect(status).toBe(200);
  const [run = []] = await endedRuns(nats.url, [`m-${way}`]);
  expect(run.map(({ event }) => event)).toEqual(['invocation_started', 'hostile', 'invocation_complete']);
  const [, event] = run;
  expect(event).toMatchObject({ seq: 2, workflow_id: 'true-workflow', workflow_execution_id: 'true-execution' });
  return event!;
}
