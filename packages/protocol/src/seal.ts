import { envelopeText } from './envelope-text.ts';
import { GENESIS_HASH } from './envelope.ts';
import type { AuditEventDraft } from './envelope.ts';
import { SpanledgerError } from './errors.ts';
import { toForgeEnvelope } from './forge-form.ts';
import { signText } from './sign.ts';
import type { EventSigner } from './sign.ts';
import { encodeUtf8 } from './utf8-slab.ts';

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

/**
 * How an envelope is written: with our additions at its top level, or inside `fields.spanledger`, where Forge's own verifier
 * accepts their signature.
 */
export type EnvelopeForm = 'spanledger' | 'forge-1.0';

export interface SealOptions {
  /** Signs the event. Default: it is not signed. */
  readonly signer?: EventSigner | undefined;
  /** Default `spanledger`. */
  readonly envelope?: EnvelopeForm | undefined;
}

/** The signer failed. The number is given, so what was to be the event is lost: to be reported, and never to be published. */
export class UnsignedEventError extends SpanledgerError {
  /** As it would have been without a signature: its `hash` is what the next event of the run links to. */
  readonly event: SealedEvent;

  constructor(event: SealedEvent, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super('SPANLEDGER_SIGNER', `event ${eventId(event)} could not be signed: ${reason}`, { cause });
    this.event = event;
  }
}

/** A run that has given no number yet. */
export function createChain(runId: string): Chain {
  return { runId, seq: 0, head: GENESIS_HASH };
}

/**
 * Gives the draft the next number of its run, links it to the event before, signs it if it is to be signed, and fixes its bytes.
 *
 * I1: synchronous, so that order is exact and nothing that happens to the draft later is seen.
 * I3: the number is given only when the bytes exist; a draft that cannot be sealed leaves the chain as it was.
 *
 * @throws UnsignedEventError (`SPANLEDGER_SIGNER`) if the signer fails; then the number is given. Leaving the chain as it was,
 * it throws whatever `JSON.stringify` throws (a cycle, a BigInt, a throwing getter), TypeError or Error for what is to be signed
 * and has no canonical form, and SpanledgerError `SPANLEDGER_EVENT` if the draft has no `ts`, if something else was sealed in the same run meanwhile,
 * by the draft or by the signer, or if the run has 2^53 - 1 events.
 */
export function seal(
  chain: Chain,
  draft: AuditEventDraft,
  subject: string,
  sha256: Sha256,
  { signer, envelope }: SealOptions = {},
): SealedEvent {
  const { runId } = chain;
  const seq = chain.seq + 1;
  // I3: past it, two numbers would be one. Refused is better than wrong.
  if (seq > Number.MAX_SAFE_INTEGER) {
    throw new SpanledgerError('SPANLEDGER_EVENT', `run ${runId} has no number left: 2^53 - 1 of them are given`);
  }
  if (typeof draft.ts !== 'string') throw new SpanledgerError('SPANLEDGER_EVENT', 'an event must have a `ts`');
  const unsigned =
    envelope === 'forge-1.0' ? JSON.stringify(toForgeEnvelope(chain, seq, draft)) : envelopeText(chain, seq, draft);
  const outcome = signer === undefined ? { text: unsigned } : signText(unsigned, signer);
  const bytes = encodeUtf8('text' in outcome ? outcome.text : unsigned);
  const hash = sha256(bytes);
  if (chain.seq + 1 !== seq) {
    throw new SpanledgerError('SPANLEDGER_EVENT', `while event ${runId}:${seq} was sealed, another one was in its run`);
  }
  chain.seq = seq;
  chain.head = hash;
  const event = { runId, seq, bytes, hash, subject };
  if ('cause' in outcome) throw new UnsignedEventError(event, outcome.cause);
  return event;
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
