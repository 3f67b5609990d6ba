import { createHash, randomUUID } from 'node:crypto';
import { createChain, encodeSubject, parseEvent, seal } from '@spanledger/protocol';
import type { AuditEventDraft, Chain, LedgerRecord, SealedEvent } from '@spanledger/protocol';

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A UUIDv7 in form; its order does not matter here. */
function newRunId(): string {
  return randomUUID().replace(/^(.{14})./, '$17');
}

/** One producer's run, sealed event by event. */
export class TestRun {
  readonly chain: Chain = createChain(newRunId());
  readonly producer: string;

  constructor(producer = 'agent') {
    this.producer = producer;
  }

  get runId(): string {
    return this.chain.runId;
  }

  seal(event: string, more: Partial<AuditEventDraft> = {}): SealedEvent {
    const micros = String(this.chain.seq).padStart(6, '0');
    const draft = { ts: `2026-01-02T03:04:05.${micros}Z`, event, producer: this.producer, ...more };
    const subject = encodeSubject({ executionId: more.workflow_execution_id, producer: this.producer });
    return seal(this.chain, draft, subject, sha256);
  }

  /** A whole run: it starts, does `count - 2` things, and ends. */
  complete(count: number): SealedEvent[] {
    return Array.from({ length: count }, (_, index) => {
      if (index === 0) return this.seal('invocation_started');
      return index === count - 1 ? this.seal('invocation_complete') : this.seal('tool_exec', { fields: { index } });
    });
  }

  /** What the producer writes when it had to drop events that had their numbers already. */
  reportLoss(lost: readonly SealedEvent[]): SealedEvent {
    const [first, last] = [lost[0], lost.at(-1)];
    if (first === undefined || last === undefined) throw new Error('nothing was lost');
    const fields = {
      run_id: first.runId,
      first_seq: first.seq,
      prev_hash: parseEvent(first.bytes)?.prev_hash ?? '',
      last_seq: last.seq,
      last_hash: last.hash,
      reason: 'queue_full',
      count: lost.length,
    };
    return this.seal('audit_loss', { fields });
  }
}

/** As they lie in a stream: numbered from 1. */
export function stored(events: readonly SealedEvent[]): LedgerRecord[] {
  return events.map(({ bytes, subject }, index) => ({ bytes, subject, streamSeq: index + 1 }));
}

/** The same event with something changed, its own bytes and hash anew: what somebody with write access would store. */
export function edited(event: SealedEvent, change: Readonly<Record<string, unknown>>): SealedEvent {
  const value = { ...(JSON.parse(new TextDecoder().decode(event.bytes)) as object), ...change };
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  return { ...event, bytes, hash: sha256(bytes) };
}
