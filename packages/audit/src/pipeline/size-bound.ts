import { boundText } from '@spanledger/otel/internal';
import type { AuditEventDraft, JsonValue } from '@spanledger/protocol';

/**
 * Everything of an event but its `fields`, at most, in bytes: 7 texts of 256 UTF-16 units and 5 of 128 that JSON may write
 * with six bytes each, 5 ids with two, hashes and names: 16,927 have been measured; 400 more with a signature and in the form
 * `forge-1.0`.
 */
const STRUCTURE_MAX_BYTES = 17_408;

/** What sealing adds to a draft: schema version, run id twice, seq, previous hash, key id, signature, and their names. */
const SEAL_BYTES = 700;
/** Of the digests of a span's content: two, of 130 bytes each. */
const REFERENCES_MAX_BYTES = 512;
/** A JSON string has at most this many bytes for one UTF-16 unit (`\u0000`). */
const UNIT_MAX_BYTES = 6;
/** Cutting values shorter than this would leave little but marks. */
const VALUE_MIN_BYTES = 64;

/**
 * Keeps a draft under `maxBytes` by cutting the largest values of its `fields`, each with the mark `…[truncated:<units cut>]`.
 * An event is never dropped for its size.
 */
export function boundSize(draft: AuditEventDraft, maxBytes: number): void {
  const { fields } = draft;
  // Nearly every event is small enough at first sight, and is not serialised a second time.
  if (fields === undefined || atMost(fields, maxBytes - STRUCTURE_MAX_BYTES) >= 0) return;
  const { fields: _, ...rest } = draft;
  const budget = maxBytes - jsonBytes(rest) - SEAL_BYTES;
  if (jsonBytes(fields) <= budget) return;
  const { transcripts, ...told } = fields;
  // Without its digest a transcript is nobody's.
  const kept =
    transcripts !== undefined && jsonBytes(transcripts) <= REFERENCES_MAX_BYTES ? { transcripts } : undefined;
  draft.fields = kept === undefined ? cut(fields, budget) : { ...cut(told, budget - jsonBytes(kept)), ...kept };
}

/** @returns what is left of `budget` after the value's JSON at its longest; negative as soon as it does not fit. */
function atMost(value: JsonValue, budget: number): number {
  if (typeof value === 'string') return budget - value.length * UNIT_MAX_BYTES - 3;
  if (typeof value !== 'object' || value === null) return budget - 25;
  let left = budget - 2;
  for (const key of Object.keys(value)) {
    left -= key.length * UNIT_MAX_BYTES + 4;
    left = atMost((value as Record<string, JsonValue>)[key] as JsonValue, left);
    if (left < 0) break;
  }
  return left;
}

/** Halves the room of one value until all of them fit, so that only the largest are cut. */
function cut(fields: Record<string, JsonValue>, budget: number): Record<string, JsonValue> {
  for (let room = budget >> 1; room >= VALUE_MIN_BYTES; room >>= 1) {
    const result = Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, cutValue(value, room)]));
    if (jsonBytes(result) <= budget) return result;
  }
  return { '…': `…[truncated:${JSON.stringify(fields).length}]` };
}

function cutValue(value: JsonValue, room: number): JsonValue {
  if (jsonBytes(value) <= room) return value;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  let units = Math.min(text.length - 1, room);
  // Escapes and UTF-8 make some units longer than one byte.
  while (units > 0 && jsonBytes(text.slice(0, units)) > room) units = Math.floor(units * 0.8);
  return boundText(text, units);
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}
