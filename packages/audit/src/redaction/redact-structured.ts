import { SpanledgerError } from '@spanledger/protocol';
import type { JsonValue } from '@spanledger/protocol';
import { copyPayload } from './copy-payload.ts';
import type { ResolvedRedaction } from './redaction-options.ts';
import { SecretScrubber } from './secret-scrubber.ts';

/** What tells the messages and parts of a conversation apart, and what belongs to what. */
const STRUCTURAL_KEYS = [
  'id',
  'role',
  'kind',
  'type',
  'name',
  'index',
  'tool_call_id',
  'call_id',
  'finish_reason',
] as const;

/**
 * Redacts what has a structure to keep: the messages of a transcript. A policy may change what is said, and not by whom, in answer
 * to what, or in which order. Structure is what is reached from the payload through arrays and members that are arrays: their lengths,
 * the order of their elements, and in each element `id`, `role`, `kind`, `type`, `name`, `index`, `tool_call_id`, `call_id` and
 * `finish_reason`. Objects inside of an element (the arguments of a tool) are content.
 *
 * It is synchronous and has no effect but its result, so a caller that seals the result has written all of it or nothing.
 * Elements that a policy makes anew are compared by place: if two of them have equal structure, their exchange is not seen.
 *
 * @returns plain JSON that shares nothing with `payload` and nothing with what the policy has.
 * @throws SpanledgerError `SPANLEDGER_PAYLOAD` for a payload that cannot be copied; `SPANLEDGER_REDACTION_STRUCTURE` if structure was
 * not kept, and also if the policy threw or returned what is no payload: it fails closed.
 */
export function redactStructured(payload: Readonly<Record<string, unknown>>, redaction: ResolvedRedaction): JsonValue {
  const original = copyPayload(payload);
  const allowed = redaction.policy === undefined ? original : applyPolicy(redaction.policy, original);
  // Last, so that what a policy puts in is looked at too. A mark in place of an id is a change of structure as well.
  const scrubbed = redaction.secrets ? new SecretScrubber(redaction.joinKey).value(allowed) : allowed;
  if (scrubbed !== original) compare(original, scrubbed, 'payload');
  return scrubbed;
}

function applyPolicy(policy: NonNullable<ResolvedRedaction['policy']>, original: JsonValue): JsonValue {
  const given = structuredClone(original);
  const order = rememberOrder(given);
  let result: unknown;
  try {
    result = policy(given as Record<string, unknown>);
    if (typeof result !== 'object' || result === null || result instanceof Promise)
      throw new TypeError('not an object');
  } catch (error) {
    throw structureError('the redaction policy threw, or returned no object', error);
  }
  // First, so that what is walked below is known to be neither cyclic nor too deep.
  const copy = copyResult(result);
  if (isMoved(result, order)) throw structureError('the redaction policy moved an element of an array');
  return copy;
}

function copyResult(result: unknown): JsonValue {
  try {
    return copyPayload(result);
  } catch (error) {
    throw structureError('what the redaction policy returned cannot be copied', error);
  }
}

/** Where each object of an array is: a policy that moves one keeps its identity. */
function rememberOrder(value: unknown, places = new Map<object, number>()): Map<object, number> {
  if (typeof value !== 'object' || value === null) return places;
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) if (typeof item === 'object' && item !== null) places.set(item, i);
  }
  for (const member of Object.values(value)) rememberOrder(member, places);
  return places;
}

function isMoved(value: unknown, places: ReadonlyMap<object, number>): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value) && value.some((item, i) => (places.get(item) ?? i) !== i)) return true;
  return Object.values(value).some((member) => isMoved(member, places));
}

function compare(before: JsonValue, after: JsonValue | undefined, place: string): void {
  if (Array.isArray(before)) {
    if (!Array.isArray(after) || after.length !== before.length) throw structureError(`${place} has another length`);
    for (const [i, item] of before.entries()) compare(item, after[i], `${place}[${i}]`);
  } else if (Array.isArray(after)) {
    throw structureError(`${place} has become an array`);
  } else if (typeof before === 'object' && before !== null) compareObject(before, after, place);
}

type Json = Readonly<Record<string, JsonValue>>;

function compareObject(before: Json, after: JsonValue | undefined, place: string): void {
  if (typeof after !== 'object' || after === null || Array.isArray(after))
    throw structureError(`${place} is no object any more`);
  const now = after as Json;
  for (const key of STRUCTURAL_KEYS) {
    const value = before[key];
    const isContent = typeof value === 'object' && value !== null;
    if (!isContent && value !== now[key]) throw structureError(`${place}.${key} was changed`);
  }
  for (const key of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const [member, other] = [before[key], now[key]];
    // Objects that come where there were none are an insertion.
    if (hasObjects(member) || hasObjects(other)) compare(member ?? [], other ?? [], `${place}.${key}`);
  }
}

/** An array of texts may be shortened; one of messages, parts or calls may not. */
function hasObjects(value: JsonValue | undefined): boolean {
  return Array.isArray(value) && value.some((item) => typeof item === 'object' && item !== null);
}

function structureError(problem: string, cause?: unknown): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_REDACTION_STRUCTURE', `nothing was written: ${problem}`, { cause });
}
