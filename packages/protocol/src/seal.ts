import { GENESIS_HASH, SCHEMA_VERSION } from './envelope.ts';
import type { AuditEventDraft } from './envelope.ts';

/** SHA-256 as 64 lowercase hex. Injected, because this package runs where `node:crypto` does not. */
export type Sha256 = (bytes: Uint8Array) => string;

/** The state of a run that sealing moves forward: the last number given, and the hash of what it was given to. */
export interface Chain {
  readonly runId: string;
  /** The last number given; 0 before the first event. */
  seq: number;
  /** SHA-256 hex of the last sealed event's bytes; `GENESIS_HASH` before the first. */
  head: string;
}

/** An audit event with its number, its link and its final bytes. Never changed again. */
export interface SealedEvent {
  readonly runId: string;
  readonly seq: number;
  /** The event, UTF-8 JSON without a newline: what is hashed, stored and read (I2). */
  readonly bytes: Uint8Array;
  /** SHA-256 hex of `bytes`. */
  readonly hash: string;
  /** The NATS subject it belongs on; see `subject.ts`. */
  readonly subject: string;
}

const encoder = new TextEncoder();

/** A run that has given no number yet. */
export function createChain(runId: string): Chain {
  return { runId, seq: 0, head: GENESIS_HASH };
}

/**
 * Gives the draft the next number of its run, links it to the event before, and fixes its bytes.
 *
 * I1: synchronous, so that order is exact and nothing that happens to the draft later is seen.
 * The number is given only when the bytes exist: a draft that cannot be serialised throws, and leaves the chain as it was.
 */
export function seal(chain: Chain, draft: AuditEventDraft, subject: string, sha256: Sha256): SealedEvent {
  const seq = chain.seq + 1;
  const { ts, event, producer, ...rest } = draft;
  const bytes = encoder.encode(
    JSON.stringify({
      ts,
      event,
      schema_version: SCHEMA_VERSION,
      producer,
      run_id: chain.runId,
      seq,
      prev_hash: chain.head,
      correlation_id: chain.runId,
      ...rest,
    }),
  );
  const hash = sha256(bytes);
  chain.seq = seq;
  chain.head = hash;
  return { runId: chain.runId, seq, bytes, hash, subject };
}

/** The name of one event in the ledger. */
export function eventId(event: { readonly runId: string; readonly seq: number }): string {
  return `${event.runId}:${event.seq}`;
}

/**
 * `Nats-Msg-Id`. It holds 16 hex of the content's hash, because JetStream drops a second message
 * with the same id whatever it contains: two contents under one number must both be stored, to be found.
 */
export function messageId(event: SealedEvent): string {
  return `${event.runId}:${event.seq}:${event.hash.slice(0, 16)}`;
}
