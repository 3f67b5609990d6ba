import { createHash } from 'node:crypto';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { connectNats, readAudit } from '@spanledger/jetstream';
import { type LedgerReport, verify } from '@spanledger/ledger';
import { type AuditEvent, type LedgerRecord, isTerminalEvent, parseEvent } from '@spanledger/protocol';
import { type RunCheck, assertLedger, assertValidEvents, checkCheckpoints, isLedgersOwn } from '@spanledger/testkit';
import { expect } from 'vitest';
import { waitFor } from './wait-for.ts';

export interface Ledger {
  /** Everything in the stream. */
  readonly records: readonly LedgerRecord[];
  /** Of the application's runs: without those that hold nothing but what the ledger says of itself. */
  readonly events: readonly AuditEvent[];
  /** What our own reader says of everything. */
  readonly report: LedgerReport;
  /** What the independent one says of the application's runs. */
  readonly runs: readonly RunCheck[];
}

/**
 * Everything in the stream, once all services have ended. Read twice: with `readAudit` and with nats.js alone; the bytes must be
 * the same. Verified twice: by `verify` and by the independent reader. What it says of itself must be true and complete. Throws for
 * whatever is not.
 *
 * @param killed `run_id` of runs whose process did not end in order: nobody need have said how far they went.
 */
export async function readLedger(servers: string, killed: readonly string[] = []): Promise<Ledger> {
  const records = await readRecords(servers);
  const bare = await readBare(servers);
  expect(records.length).toBe(bare.length);
  expect(records.every(({ bytes }, i) => Buffer.compare(bytes, bare[i]!) === 0)).toBe(true);
  assertValidEvents(records);
  const report = await verify(records, { sha256: (bytes) => createHash('sha256').update(bytes).digest('hex') });
  expect(report).toMatchObject({ verified: true, gaps: 0, losses: 0, duplicates: 0, conflicts: 0, chain: 'ok' });
  const allRuns = assertLedger(bare);
  expect(report.runs.map(({ runId, events }) => [runId, events])).toEqual(
    allRuns.map(({ runId, events }) => [runId, events]),
  );
  expect(checkCheckpoints(bare, new Set(killed))).toEqual([]);
  const runs = allRuns.filter((run) => !isLedgersOwn(run));
  const ids = new Set(runs.map(({ runId }) => runId));
  const events = records.map(eventOf).filter((event) => ids.has(event.run_id));
  return { records, events, report, runs };
}

/** Waits until the runs of these marks have ended. @returns for each mark the events of its one run, in order. */
export function endedRuns(servers: string, marks: readonly string[]): Promise<AuditEvent[][]> {
  let found: (AuditEvent[] | undefined)[] = [];
  return waitFor(
    () => `the runs of ${marks.filter((_, i) => found[i] === undefined).join()} to end`,
    async () => {
      const runs = runsByMark(await eventsSoFar(servers));
      found = marks.map((mark) => runs.get(mark)).map((run) => (run?.some(isEnd) ? run : undefined));
      return found.every((run) => run !== undefined) ? found : undefined;
    },
  );
}

/** Waits until so many events of a name are stored. */
export async function storedEvents(servers: string, name: string, count: number): Promise<void> {
  let stored = 0;
  await waitFor(
    () => `${count} events ${name}, there are ${stored}`,
    async () => {
      stored = (await eventsSoFar(servers)).filter(({ event }) => event === name).length;
      return stored >= count ? true : undefined;
    },
  );
}

/** By `fields.mark`, the events of the run that it is in. A mark in two runs is an error. */
export function runsByMark(events: readonly AuditEvent[]): Map<string, AuditEvent[]> {
  const byRun = new Map<string, AuditEvent[]>();
  for (const event of events) byRun.set(event.run_id, [...(byRun.get(event.run_id) ?? []), event]);
  const byMark = new Map<string, AuditEvent[]>();
  for (const run of byRun.values()) {
    for (const mark of new Set(run.map(({ fields }) => fields?.['mark']))) {
      if (typeof mark !== 'string') continue;
      if (byMark.has(mark)) throw new Error(`${mark} is in two runs`);
      byMark.set(mark, run);
    }
  }
  return byMark;
}

const isEnd = ({ event }: AuditEvent): boolean => isTerminalEvent(event);

async function eventsSoFar(servers: string): Promise<AuditEvent[]> {
  // A service makes the stream when it reaches the server, so there may be none yet.
  return (await readRecords(servers).catch(() => [])).map(eventOf);
}

async function readRecords(servers: string): Promise<LedgerRecord[]> {
  const connection = await connectNats({ servers });
  try {
    const records: LedgerRecord[] = [];
    for await (const record of readAudit(connection)) records.push(record);
    return records;
  } finally {
    await connection.close();
  }
}

async function readBare(servers: string): Promise<Uint8Array[]> {
  const connection = await connect({ servers });
  try {
    const { state } = await (await jetstreamManager(connection, { timeout: 30_000 })).streams.info('AUDIT_EVENTS');
    const stored: Uint8Array[] = [];
    if (state.messages === 0) return stored;
    const consumer = await jetstream(connection).consumers.get('AUDIT_EVENTS');
    for await (const message of await consumer.consume()) {
      stored.push(message.data);
      if (message.info.pending === 0) break;
    }
    return stored;
  } finally {
    await connection.close();
  }
}

export function eventOf(record: LedgerRecord): AuditEvent {
  const event = parseEvent(record.bytes);
  if (event === undefined) throw new Error(`not an event: ${Buffer.from(record.bytes).toString()}`);
  return event;
}
