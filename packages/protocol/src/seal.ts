import { GENESIS_HASH, SCHEMA_VERSION } from './envelope.ts';
import type { AuditEvent, AuditEventDraft } from './envelope.ts';
import { SpanledgerError } from './errors.ts';
import { forgeFields } from './forge-form.ts';
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
 * and has no canonical form, and SpanledgerError `SPANLEDGER_EVENT` if something else was sealed in the same run meanwhile,
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
  const content = envelope === 'forge-1.0' ? toForgeEnvelope(chain, seq, draft) : toEnvelope(chain, seq, draft);
  const unsigned = JSON.stringify(content);
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

type Envelope = { readonly [Field in keyof Omit<AuditEvent, 'kid' | 'sigp' | 'sig'>]-?: AuditEvent[Field] };

/**
 * I6: field by field, so that no property of a draft can take the place of a structural one. (It is also twice as fast
 * as spreading: all envelopes share one hidden class. `undefined` is left out by `JSON.stringify`.)
 */
function toEnvelope(chain: Chain, seq: number, draft: AuditEventDraft): Envelope {
  return {
    ts: draft.ts,
    event: draft.event,
    schema_version: SCHEMA_VERSION,
    producer: draft.producer,
    run_id: chain.runId,
    seq,
    prev_hash: chain.head,
    correlation_id: chain.runId,
    task_id: draft.task_id,
    session_id: draft.session_id,
    client_request_id: draft.client_request_id,
    workflow_id: draft.workflow_id,
    workflow_execution_id: draft.workflow_execution_id,
    stage_id: draft.stage_id,
    step_id: draft.step_id,
    attempt_epoch: draft.attempt_epoch,
    invocation_caller: draft.invocation_caller,
    caller_verified: draft.caller_verified,
    entity_type: draft.entity_type,
    entity_id: draft.entity_id,
    agent_version: draft.agent_version,
    org_id: draft.org_id,
    workspace_id: draft.workspace_id,
    trace_id: draft.trace_id,
    span_id: draft.span_id,
    parent_span_id: draft.parent_span_id,
    trace_sampled: draft.trace_sampled,
    duration_ms: draft.duration_ms,
    model: draft.model,
    provider: draft.provider,
    input_tokens: draft.input_tokens,
    output_tokens: draft.output_tokens,
    tokens_unavailable: draft.tokens_unavailable,
    request_id: draft.request_id,
    fields: draft.fields,
  };
}

/** The fields that Forge knows, and the others inside `fields`. */
function toForgeEnvelope(chain: Chain, seq: number, draft: AuditEventDraft): object {
  return {
    ts: draft.ts,
    event: draft.event,
    schema_version: SCHEMA_VERSION,
    seq,
    prev_hash: chain.head,
    correlation_id: chain.runId,
    task_id: draft.task_id,
    workflow_id: draft.workflow_id,
    workflow_execution_id: draft.workflow_execution_id,
    stage_id: draft.stage_id,
    step_id: draft.step_id,
    invocation_caller: draft.invocation_caller,
    org_id: draft.org_id,
    workspace_id: draft.workspace_id,
    entity_id: draft.entity_id,
    entity_type: draft.entity_type,
    model: draft.model,
    provider: draft.provider,
    input_tokens: draft.input_tokens,
    output_tokens: draft.output_tokens,
    tokens_unavailable: draft.tokens_unavailable,
    duration_ms: draft.duration_ms,
    request_id: draft.request_id,
    trace_id: draft.trace_id,
    span_id: draft.span_id,
    fields: forgeFields(chain.runId, draft),
  };
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
