import type { LedgerRecord } from '@spanledger/protocol';
import { GENESIS_HASH } from '@spanledger/protocol';
import { sha256 } from './history.ts';

const encoder = new TextEncoder();

/** What one Forge agent process writes: a chain over all its invocations, and numbers within each. */
export class ForgeProcess {
  readonly #entity: string;
  readonly #seqs = new Map<string, number>();
  #head = GENESIS_HASH;

  constructor(entity = 'forge-agent') {
    this.#entity = entity;
  }

  /** An event of an invocation; or, without a correlation id, one outside of all: it has no number. */
  emit(event: string, correlation?: string, more: Readonly<Record<string, unknown>> = {}): Uint8Array {
    const seq = correlation === undefined ? undefined : (this.#seqs.get(correlation) ?? 0) + 1;
    if (correlation !== undefined && seq !== undefined) this.#seqs.set(correlation, seq);
    const task = correlation && `task-${correlation}`;
    const value = {
      ts: '2026-01-02T03:04:05Z',
      event,
      schema_version: '1.0',
      seq,
      prev_hash: this.#head,
      correlation_id: correlation,
      task_id: task,
      entity_type: 'agent',
      entity_id: this.#entity,
      ...more,
    };
    const bytes = encoder.encode(JSON.stringify(value));
    this.#head = sha256(bytes);
    return bytes;
  }

  /** The caller uses the same correlation id for another call: its numbers begin anew, or go on after a call's last one. */
  callAgain(correlation: string, lastSeq = 0): void {
    this.#seqs.set(correlation, lastSeq);
  }

  /** A whole invocation. */
  invoke(correlation: string, more: Readonly<Record<string, unknown>> = {}): Uint8Array[] {
    const events = ['session_start', 'llm_call', 'tool_exec', 'session_end'];
    return events.map((event) => this.emit(event, correlation, more));
  }
}

export function flat(lines: readonly Uint8Array[]): LedgerRecord[] {
  return lines.map((bytes, index) => ({ bytes, streamSeq: index + 1, subject: 'auditEvent' }));
}

/** The same line with something changed. */
export function editedLine(bytes: Uint8Array, change: Readonly<Record<string, unknown>>): Uint8Array {
  const value = JSON.parse(new TextDecoder().decode(bytes)) as object;
  return encoder.encode(JSON.stringify({ ...value, ...change }));
}
