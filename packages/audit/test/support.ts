import { createHash, randomUUID } from 'node:crypto';
import { GENESIS_HASH, parseEvent } from '@spanledger/protocol';
import type { AuditEvent, AuditSink, SealedEvent, WorkflowIdentity, WriteOutcome } from '@spanledger/protocol';
import { Run } from '@spanledger/otel/internal';
import type { WorkflowContext } from '@spanledger/otel/internal';
import { vi } from 'vitest';
import { memorySink } from '../src/index.ts';
import type { MemorySink } from '../src/index.ts';

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A new run and the place in it. */
export function newScope(
  workflow: WorkflowIdentity = { workflowId: 'wf', executionId: randomUUID() },
  origin: 'carrier' | 'workflow' = 'carrier',
): WorkflowContext {
  return { run: new Run(origin, workflow), workflow };
}

/** The events of a sink, read back from their bytes; of one run, if it is named. */
export function eventsOf(sink: MemorySink, runId?: string): AuditEvent[] {
  return sink.records
    .map(({ bytes }) => parseEvent(bytes)!)
    .filter((event) => runId === undefined || event.run_id === runId);
}

export interface GateSink extends AuditSink {
  /** What went through. */
  readonly stored: MemorySink;
  /** How many writes have been started. */
  readonly started: number;
  open(): void;
}

/** A sink that keeps every write waiting until it is opened; closing it fails what still waits. */
export function gateSink(): GateSink {
  const stored = memorySink({ maxEvents: 1_000_000 });
  const closed: WriteOutcome = { status: 'failed', error: new Error('closed while waiting') };
  let pass: (state: 'open' | 'closed') => void = () => {};
  const gate = new Promise<'open' | 'closed'>((resolve) => (pass = resolve));
  let started = 0;
  return {
    name: 'gate',
    stored,
    get started() {
      return started;
    },
    async writeEvent(event: SealedEvent) {
      started += 1;
      return (await gate) === 'open' ? stored.writeEvent(event) : closed;
    },
    async close() {
      pass('closed');
      await stored.close();
    },
    open: () => pass('open'),
  };
}

interface LossFields {
  readonly run_id?: string;
  readonly first_seq: number;
  readonly prev_hash: string;
  readonly last_seq: number;
  readonly last_hash: string;
  readonly reason: string;
  readonly count: number;
}

/** All `audit_loss` events of a sink: their `fields`. */
export function lossesOf(sink: MemorySink): LossFields[] {
  return eventsOf(sink)
    .filter(({ event }) => event === 'audit_loss')
    .map(({ fields }) => fields as unknown as LossFields);
}

/**
 * Walks one run by its bytes, bridging what `audit_loss` names. Throws where a number is neither an event nor a reported
 * loss, or a link does not hold.
 *
 * @returns how many numbers were seen, and how many of them were reported lost.
 */
export function walkRun(sink: MemorySink, runId: string): { events: number; lost: number } {
  const bySeq = new Map(
    sink.records
      .map(({ bytes }) => [parseEvent(bytes)!, bytes] as const)
      .map(([event, bytes]) => [keyOf(event), bytes]),
  );
  const ranges = lossesOf(sink).filter((loss) => loss.run_id === runId);
  let head = GENESIS_HASH;
  let events = 0;
  let lost = 0;
  for (let seq = 1; ;) {
    const bytes = bySeq.get(`${runId}:${seq}`);
    const range = ranges.find((loss) => loss.first_seq === seq);
    if (bytes === undefined && range === undefined) {
      const last = Math.max(
        0,
        ...ranges.map((loss) => loss.last_seq),
        ...eventsOf(sink, runId).map((event) => event.seq),
      );
      if (last >= seq) throw new Error(`number ${seq} of ${last} is neither an event nor a reported loss`);
      return { events, lost };
    }
    if (bytes !== undefined) {
      if (parseEvent(bytes)!.prev_hash !== head) throw new Error(`the link to number ${seq} does not hold`);
      head = sha256(bytes);
      events += 1;
      seq += 1;
    } else if (range !== undefined) {
      if (range.prev_hash !== head) throw new Error(`the link to lost number ${seq} does not hold`);
      head = range.last_hash;
      lost += range.last_seq - range.first_seq + 1;
      seq = range.last_seq + 1;
    }
  }
}

function keyOf(event: AuditEvent): string {
  return `${event.run_id}:${event.seq}`;
}

/** Waits until this does not throw: two minutes, because machines are busy. */
export function eventually(check: () => unknown): Promise<unknown> {
  return vi.waitFor(check, { timeout: 120_000 });
}
