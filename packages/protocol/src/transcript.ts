import type { JsonValue } from './envelope.ts';
import { SpanledgerError } from './errors.ts';
import type { Sha256 } from './seal.ts';
import { ChunkedTranscript } from './sealed-transcript.ts';
import type { SealedTranscript } from './sealed-transcript.ts';
import { encodeToken } from './subject.ts';
import { cutTranscript } from './transcript-chunks.ts';

export const TRANSCRIPT_STREAM = 'AUDIT_TRANSCRIPTS';

/** Root of the subjects of transcripts. None of them is a subject of events: they live in a stream of their own, and can be erased. */
export const TRANSCRIPT_SUBJECT = 'auditTranscript';

/** `input`: the request as it was fully rendered. `output`: what came of it. `event_summary`: what happened meanwhile, counted. */
export const TRANSCRIPT_KINDS = ['input', 'output', 'event_summary'] as const;
export type TranscriptKind = (typeof TRANSCRIPT_KINDS)[number];

/** What one transcript is found, and erased, by. Ids are texts of 1 to 128 UTF-8 bytes. */
export interface TranscriptKey {
  readonly taskId: string;
  readonly sessionId?: string | undefined;
  readonly requestId?: string | undefined;
  readonly kind: TranscriptKind;
  /** Of its kind in its request, from 0 to 2^64 - 1. */
  readonly seq: bigint;
}

/** What happened while a request was served. */
export interface EventSummary {
  readonly events: number;
  /** How many of each event. */
  readonly counts: Readonly<Record<string, number>>;
  readonly firstEventId?: string | undefined;
  readonly lastEventId?: string | undefined;
}

interface TranscriptBase extends TranscriptKey {
  /** RFC 3339, UTC, microseconds. */
  readonly ts: string;
  readonly producer: string;
}

/** One message of a conversation, as plain JSON: `{ role, parts }` in OpenTelemetry's GenAI conventions, `{ role, content }` elsewhere. */
export type TranscriptMessage = Readonly<Record<string, JsonValue>>;

export interface ContentTranscript extends TranscriptBase {
  readonly kind: 'input' | 'output';
  /** As it was sent or received: a text, or messages. */
  readonly content: string | readonly TranscriptMessage[];
}

export interface SummaryTranscript extends TranscriptBase {
  readonly kind: 'event_summary';
  readonly content: EventSummary;
}

export type TranscriptRecord = ContentTranscript | SummaryTranscript;

export interface SealTranscriptOptions {
  readonly sha256: Sha256;
  /** 32 lowercase hex at least, random, used once: without it, whoever guesses the content could prove the guess by the digest. */
  readonly nonce: string;
  /** The largest message, in bytes. Default 65,536; from 1,024. */
  readonly chunkMaxBytes?: number | undefined;
}

const CHUNK_MAX_BYTES = 65_536;
const CHUNK_MIN_BYTES = 1_024;
/** I7: of one content, in UTF-16 units; of messages, of their JSON. */
const CONTENT_MAX = 16 * 1024 * 1024;
const ID_MAX_BYTES = 128;
const SEQ_END = 1n << 64n;
const NONCE = /^(?:[0-9a-f]{2}){16,64}$/;
const encoder = new TextEncoder();

/**
 * Fixes a transcript's bytes and digest, and cuts it into messages.
 *
 * @throws SpanledgerError `SPANLEDGER_TRANSCRIPT` for a key, a content or an option that is none
 */
export function sealTranscript(record: TranscriptRecord, options: SealTranscriptOptions): SealedTranscript {
  const { sha256, nonce, chunkMaxBytes = CHUNK_MAX_BYTES } = options;
  if (!NONCE.test(nonce)) throw invalid('the nonce must be 32 to 128 lowercase hex');
  if (!Number.isSafeInteger(chunkMaxBytes) || chunkMaxBytes < CHUNK_MIN_BYTES) {
    throw invalid(`chunkMaxBytes must be a whole number from ${CHUNK_MIN_BYTES}`);
  }
  const subject = transcriptSubject(record.producer, record);
  const text = JSON.stringify(toWire(record, nonce));
  if (typeof record.content !== 'string') checkLength(text);
  const bytes = encoder.encode(text);
  return new ChunkedTranscript(subject, bytes.length, sha256(bytes), cutTranscript(text, chunkMaxBytes), sha256);
}

/**
 * `auditTranscript.<producer>.<task>.<session>.<request>.<kind>.<seq>`: what belongs to one task, session or request is a server-side
 * filter, for reading and for erasing, and a permission on `auditTranscript.<producer>.>` binds a producer to its name.
 *
 * @throws SpanledgerError `SPANLEDGER_TRANSCRIPT`
 */
export function transcriptSubject(producer: string, key: TranscriptKey): string {
  const { taskId, sessionId, requestId, kind, seq } = key;
  if (!TRANSCRIPT_KINDS.includes(kind)) throw invalid(`kind must be one of ${TRANSCRIPT_KINDS.join(', ')}`);
  if (typeof seq !== 'bigint' || seq < 0n || seq >= SEQ_END) throw invalid('seq must be a bigint from 0 to 2^64 - 1');
  const ids = [
    id('producer', producer),
    id('taskId', taskId),
    optionalId('sessionId', sessionId),
    optionalId('requestId', requestId),
  ];
  return [TRANSCRIPT_SUBJECT, ...ids.map(encodeToken), kind, seq].join('.');
}

/** What an audit event says of a transcript, inside its `fields`. */
export function transcriptReference(record: TranscriptKey, sealed: SealedTranscript): Record<string, string | number> {
  return { kind: record.kind, seq: String(record.seq), digest: sealed.digest, chunks: sealed.chunkCount };
}

/** Property by property: nothing else that a record may have is written. */
function toWire(record: TranscriptRecord, nonce: string): object {
  return {
    schema_version: '1.0',
    producer: record.producer,
    task_id: record.taskId,
    session_id: record.sessionId,
    request_id: record.requestId,
    kind: record.kind,
    // A number of JSON would lose precision past 2^53.
    seq: String(record.seq),
    ts: record.ts,
    nonce,
    content: record.kind === 'event_summary' ? summaryToWire(record.content) : checkedContent(record.content),
  };
}

function summaryToWire(content: EventSummary): object {
  const { events, counts, firstEventId, lastEventId } = content;
  if (typeof counts !== 'object' || counts === null) throw invalid('the counts of an event_summary must be an object');
  const numbers = Object.entries(counts);
  if (![events, ...numbers.map(([, count]) => count)].every((count) => Number.isSafeInteger(count) && count >= 0)) {
    throw invalid('what an event_summary counts must be whole numbers');
  }
  return {
    events,
    counts: numbers.sort(([a], [b]) => (a < b ? -1 : 1)).map(([event, count]) => ({ event, count })),
    first_event_id: optionalId('firstEventId', firstEventId),
    last_event_id: optionalId('lastEventId', lastEventId),
  };
}

function checkedContent(content: unknown): string | readonly TranscriptMessage[] {
  if (typeof content !== 'string' && !isMessages(content)) throw invalid('the content must be a text, or messages');
  if (typeof content === 'string') checkLength(content);
  return content;
}

function checkLength(text: string): void {
  if (text.length > CONTENT_MAX) throw invalid(`the content must have at most ${CONTENT_MAX} UTF-16 units`);
}

/** Whether this is a list of objects. */
export function isMessages(content: unknown): content is readonly TranscriptMessage[] {
  return (
    Array.isArray(content) && content.every((one) => typeof one === 'object' && one !== null && !Array.isArray(one))
  );
}

function id(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && value.isWellFormed()) {
    if (encoder.encode(value).length <= ID_MAX_BYTES) return value;
  }
  throw invalid(`${name} must be a text of 1 to ${ID_MAX_BYTES} bytes`);
}

function optionalId(name: string, value: unknown): string | undefined {
  return value === undefined ? undefined : id(name, value);
}

function invalid(message: string): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_TRANSCRIPT', `a transcript cannot be sealed: ${message}`);
}
