import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect as connectV3 } from '@nats-io/transport-node';
import type { NatsConnection } from '@nats-io/transport-node';
import { createChain, encodeSubject, seal } from '@spanledger/protocol';
import type { LedgerRecord, SealedEvent } from '@spanledger/protocol';
import { connect as connectV2 } from 'nats';
import { ensureStream, readAudit } from '../src/index.ts';
import type { NatsConnectionLike, ReadAuditOptions, StreamOptions } from '../src/index.ts';

/** Both generations of the client, with the settings that a service should have. */
export const CLIENTS: Record<string, (servers: string, settings?: object) => Promise<NatsConnectionLike>> = {
  '@nats-io/transport-node 3': (servers, settings) => connectV3({ servers, ...SETTINGS, ...settings }),
  'nats 2': (servers, settings) => connectV2({ servers, ...SETTINGS, ...settings }),
};
const SETTINGS = { maxReconnectAttempts: -1, reconnectTimeWait: 100, pingInterval: 5_000, maxPingOut: 2 };

export interface RunOptions {
  readonly executionId?: string;
  readonly workflowId?: string;
  readonly producer?: string;
  readonly payloadBytes?: number;
  readonly subject?: string;
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** One run of `count` sealed events. */
export function sealRun(count: number, options: RunOptions = {}): SealedEvent[] {
  const { executionId = 'exec-1', workflowId = 'wf-1', producer = 'svc', payloadBytes = 100 } = options;
  const chain = createChain(randomUUID());
  const subject = options.subject ?? encodeSubject({ workflowId, executionId, producer });
  const draft = {
    ts: '2026-01-01T00:00:00.000000Z',
    event: 'tool_exec',
    producer,
    workflow_id: workflowId,
    workflow_execution_id: executionId,
    fields: { payload: 'x'.repeat(payloadBytes) },
  };

  return Array.from({ length: count }, () => seal(chain, draft, subject, sha256));
}

/** Takes one event of each run in turn. */
export function interleave(runs: readonly (readonly SealedEvent[])[]): SealedEvent[] {
  const longest = Math.max(...runs.map((run) => run.length));
  return Array.from({ length: longest }, (_, index) => runs.flatMap((run) => run[index] ?? [])).flat();
}

export async function readAll(connection: NatsConnectionLike, options?: ReadAuditOptions): Promise<LedgerRecord[]> {
  const records: LedgerRecord[] = [];
  for await (const record of readAudit(connection, options)) records.push(record);
  return records;
}

/** A connection of its own for looking, and the stream. */
export async function observer(url: string, options?: StreamOptions): Promise<NatsConnection> {
  const connection = await connectV3({ servers: url, ...SETTINGS });
  const state = await ensureStream(connection, options);
  if (state.status !== 'created') throw new Error(`the stream is ${JSON.stringify(state)}`);
  return connection;
}

/** Changes the stream as an administrator would. */
export async function updateStream(connection: NatsConnection, changes: Record<string, unknown>): Promise<void> {
  const manager = await jetstreamManager(connection, { timeout: 30_000 });
  await manager.streams.update('AUDIT_EVENTS', changes);
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(10);
}

/** run id and number of each record, in order of the stream. */
export function parse(records: readonly LedgerRecord[]): { runId: string; seq: number }[] {
  return records.map(({ bytes }) => {
    const { run_id: runId, seq } = JSON.parse(new TextDecoder().decode(bytes)) as { run_id: string; seq: number };
    return { runId, seq };
  });
}
