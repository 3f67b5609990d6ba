import type { Sha256 } from './seal.ts';
import { TRANSCRIPT_KINDS, isMessages } from './transcript.ts';
import type { EventSummary, TranscriptKind, TranscriptRecord } from './transcript.ts';
import { parseChunk } from './transcript-chunks.ts';

/**
 * What became of a transcript that an audit event names.
 *
 * - `ok`: it is what was sealed.
 * - `absent`: there is nothing of it: erased, or not yet stored. Not a finding.
 * - `incomplete`: some of it is there: not yet stored, or half erased.
 * - `altered`: what is there is not what was sealed.
 */
export type TranscriptReading =
  | { readonly status: 'ok'; readonly record: TranscriptRecord }
  | { readonly status: 'absent' | 'altered' }
  | { readonly status: 'incomplete'; readonly have: number; readonly of: number };

/**
 * Puts a transcript together from messages in any order, however often each is there; those of other transcripts, and what is no
 * message of a transcript, are left out. Never throws for what it reads.
 *
 * @param digest as an audit event carries it: the only thing here that is trusted.
 */
export function readTranscript(messages: Iterable<Uint8Array>, digest: string, sha256: Sha256): TranscriptReading {
  const parts = new Map<number, string>();
  let total: number | undefined;
  for (const bytes of messages) {
    const chunk = parseChunk(bytes);
    if (chunk?.transcript !== digest) continue;
    total ??= chunk.chunks;
    const before = parts.get(chunk.chunk);
    if (total !== chunk.chunks || (before !== undefined && before !== chunk.part)) return { status: 'altered' };
    parts.set(chunk.chunk, chunk.part);
  }
  if (total === undefined) return { status: 'absent' };
  if (parts.size < total) return { status: 'incomplete', have: parts.size, of: total };
  const ordered = [...parts].sort(([a], [b]) => a - b).map(([, part]) => part);
  const text = ordered.join('');
  if (sha256(new TextEncoder().encode(text)) !== digest) return { status: 'altered' };
  const record = parseRecord(text);
  return record === undefined ? { status: 'altered' } : { status: 'ok', record };
}

/** @returns `undefined` if the digest is of something else than a transcript. */
function parseRecord(text: string): TranscriptRecord | undefined {
  try {
    return toRecord(JSON.parse(text) as Record<string, unknown>);
  } catch {
    return undefined;
  }
}

/** @throws where the shape is another one. */
function toRecord(wire: Record<string, unknown>): TranscriptRecord | undefined {
  const kind = wire['kind'] as TranscriptKind;
  if (!TRANSCRIPT_KINDS.includes(kind)) return undefined;
  const base = {
    producer: String(wire['producer']),
    taskId: String(wire['task_id']),
    ...(wire['session_id'] !== undefined && { sessionId: String(wire['session_id']) }),
    ...(wire['request_id'] !== undefined && { requestId: String(wire['request_id']) }),
    seq: BigInt(wire['seq'] as string),
    ts: String(wire['ts']),
  };
  const { content } = wire;
  if (kind === 'event_summary') return { ...base, kind, content: toSummary(content as Record<string, unknown>) };
  return typeof content === 'string' || isMessages(content) ? { ...base, kind, content } : undefined;
}

function toSummary(wire: Record<string, unknown>): EventSummary {
  const counts = wire['counts'] as { event: string; count: number }[];
  return {
    events: Number(wire['events']),
    counts: Object.fromEntries(counts.map(({ event, count }) => [event, count])),
    ...(wire['first_event_id'] !== undefined && { firstEventId: String(wire['first_event_id']) }),
    ...(wire['last_event_id'] !== undefined && { lastEventId: String(wire['last_event_id']) }),
  };
}
