import { once } from 'node:events';
import net from 'node:net';
import { text } from 'node:stream/consumers';
import { WORKFLOW_FIELDS, decodeSubject } from '@spanledger/protocol';
import { startNats } from '@spanledger/testkit';
import { expect, it } from 'vitest';
import { App } from './support/app.ts';
import { type HostileRequest, hostileRequests } from './support/hostile-requests.ts';
import { endedRuns, eventOf, readLedger, runsByMark, storedEvents } from './support/ledger.ts';

const REQUESTS = 5_000;
const ACCEPTED_MIN = 3_500;
const CONCURRENT = 32;
/** Node's own parser refuses these, whoever listens: no application ever sees them. */
const REFUSED_KINDS = new Set(['control characters', 'bare line feed', 'folded line']);

it('takes 5,000 hostile requests without a crash, a disconnect or a forged field', { timeout: 600_000 }, async () => {
  await using nats = await startNats({ monitoring: true });
  await using app = await App.serve('agent.mjs', {
    env: { OTEL_SERVICE_NAME: 'target', SPANLEDGER_NATS_URL: nats.url },
    nodeArgs: ['--max-http-header-size=1048576'], // So that 100 kB reach us, and not a limit before us.
  });
  await app.get('/work?mark=before');
  await endedRuns(nats.url, ['before']);
  const connected = await connectionsOf('target', nats.monitoringUrl);
  expect(connected).toHaveLength(1);

  const requests = hostileRequests(REQUESTS, 2);
  const statuses = await sendAll(app.port, requests);
  const accepted = requests.filter((_, i) => statuses[i] === 200);
  const refused = requests.filter((_, i) => statuses[i] !== 200);
  await storedEvents(nats.url, 'invocation_complete', accepted.length + 1);

  expect(app.child.exitCode).toBe(null);
  expect((await app.get('/work?mark=after')).status).toBe(200);
  expect(await connectionsOf('target', nats.monitoringUrl)).toEqual(connected);
  expect(await app.stop()).toBe(143);
  expect(app.stderr).toBe('');

  // What Node refused never was a request. Everything else is one run.
  expect(new Set(refused.map(({ kind }) => kind))).toEqual(REFUSED_KINDS);
  expect(accepted.length).toBeGreaterThan(ACCEPTED_MIN);
  const { events, records, report } = await readLedger(nats.url);
  const runs = runsByMark(events);
  expect(report.openRuns).toBe(0);
  expect(runs.size).toBe(accepted.length + 2);

  // Every workflow field of every event is a valid value that was sent, and every one that was sent is there.
  const fields = WORKFLOW_FIELDS.map(({ field }) => field);
  for (const { mark, kind, expected } of accepted) {
    for (const event of runs.get(mark) ?? []) {
      const found = Object.fromEntries(fields.filter((key) => key in event).map((key) => [key, event[key]]));
      expect(found, `${kind}, ${mark}`).toEqual(expected);
    }
  }

  // A wildcard or a dot in an id is no part of the subject's structure.
  for (const record of records) {
    const { subject = '' } = record;
    const { workflow_id: workflowId, workflow_execution_id: executionId, producer } = eventOf(record);
    expect(subject).toMatch(/^auditEvent(\.[^.*>\s]+){3}$/);
    expect(decodeSubject(subject)).toEqual({
      ...(workflowId && { workflowId }),
      ...(executionId && { executionId }),
      producer,
    });
  }
});

/** @returns the status of each; 0 where the connection was closed without one. */
async function sendAll(port: number, requests: readonly HostileRequest[]): Promise<number[]> {
  const statuses: number[] = [];
  const rest = requests.entries();
  const worker = async (): Promise<void> => {
    for (const [i, { bytes }] of rest) statuses[i] = await send(port, bytes);
  };
  await Promise.all(Array.from({ length: CONCURRENT }, worker));
  return statuses;
}

async function send(port: number, bytes: Buffer): Promise<number> {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write(bytes);
  const answer = await text(socket).catch(() => '');
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
}

/** The client ids under which a producer is and was connected: a reconnect adds one. */
async function connectionsOf(name: string, monitoringUrl: string): Promise<number[]> {
  const response = await fetch(`${monitoringUrl}/connz?state=any&limit=10000`);
  const { connections } = (await response.json()) as { connections: { name?: string; cid: number }[] };
  return connections.filter((connection) => connection.name === name).map(({ cid }) => cid);
}
