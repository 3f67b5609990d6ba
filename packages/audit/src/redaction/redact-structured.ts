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
  'tool_use_id',
  'toolCallId',
  'toolName',
  'call_id',
  'finish_reason',
  'task_id',
  'session_id',
  'request_id',
  'seq',
] as const;

/** Members that are the message or call itself, where a vendor wraps it: `{ message: { role, content } }`, `{ function: { name } }`. */
const WRAPPED = new Set(['message', 'function', 'delta']);

/**
 * Redacts what has a structure to keep: the messages of a transcript. A policy may change what is said, and not by whom, in answer
 * to what, or in which order. Structure is what is reached from the payload through arrays, members that are arrays, and those of `WRAPPED`:
 * lengths, the order of elements, and in each element and the payload itself the members of `STRUCTURAL_KEYS`. Other objects inside of an
 * element (the arguments of a tool) are content.
 *
 * It is synchronous and has no effect but its result, so a caller that seals the result has written all of it or nothing.
 * Elements that a policy makes anew are compared by place: if two of them have equal structure, their exchange is not seen.
 *
 * @returns plain JSON that shares nothing with `payload` and nothing with what the policy has.
 * @throws SpanledgerError `SPANLEDGER_PAYLOAD` for a payload that cannot be copied; `SPANLEDGER_REDACTION_STRUCTURE` if structure was
 * not kept, and also if the policy threw or returned what is no payload: it fails closed.
 */
export function redactStructured(
  payload: Readonly<Record<string, unknown>>,
  redaction: ResolvedRedaction,
  scrubber: SecretScrubber | undefined = redaction.secrets ? new SecretScrubber(redaction.joinKey) : undefined,
): JsonValue {
  const original = copyPayload(payload);
  const allowed = redaction.policy === undefined ? original : applyPolicy(redaction.policy, original);
  // Last, so that what a policy puts in is looked at too. A mark in place of an id is a change of structure as well.
  const scrubbed = scrubber === undefined ? allowed : scrubber.value(allowed);
  if (scrubbed !== original) compare(original, scrubbed, 'payload');
  return scrubbed;
}

function applyPolicy(policy: NonNullable<ResolvedRedaction['policy']>, original: JsonValue): JsonValue {
  const given = structuredClone(original);
  const places = rememberPlaces(given);
  let result: unknown;
  try {
    result = policy(given as Record<string, unknown>);
    if (typeof result !== 'object' || result === null || result instanceof Promise)
      throw new TypeError('not an object');
  } catch (error) {
    throw structureError('the redaction policy threw, or returned no object', error);
  }
  let copy: JsonValue;
  let moved: boolean;
  try {
    // First, so that what is walked then is known to be neither cyclic nor too deep.
    copy = copyPayload(result);
    moved = isMoved(result, places);
  } catch (error) {
    throw structureError('what the redaction policy returned cannot be copied', error);
  }
  if (moved) throw structureError('the redaction policy moved an element of an array');
  return copy;
}

/** Where each element of the structure is: a policy that moves one, within its array or to another, keeps its identity. */
function rememberPlaces(payload: unknown): Map<object, string> {
  const places = new Map<object, string>();
  eachElement(payload, '', (element, place) => places.set(element, place));
  return places;
}

function isMoved(result: unknown, places: ReadonlyMap<object, string>): boolean {
  let moved = false;
  eachElement(result, '', (element, place) => {
    moved ||= (places.get(element) ?? place) !== place;
  });
  return moved;
}

/** The objects that are reached through arrays, members that are arrays, and wrapped ones. */
function eachElement(value: unknown, place: string, visit: (element: object, place: string) => void): void {
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) {
      if (typeof item !== 'object' || item === null) continue;
      visit(item, `${place}[${i}]`);
      eachElement(item, `${place}[${i}]`, visit);
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const [key, member] of Object.entries(value)) {
      if (Array.isArray(member) || WRAPPED.has(key)) eachElement(member, `${place}.${key}`, visit);
    }
  }
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

function compareObject(before: Json, now: JsonValue | undefined, place: string): void {
  if (!isObject(now)) throw structureError(`${place} is no object any more`);
  for (const key of STRUCTURAL_KEYS) {
    const value = before[key];
    const isContent = typeof value === 'object' && value !== null;
    if (!isContent && value !== now[key]) throw structureError(`${place}.${key} was changed`);
  }
  for (const key of new Set([...Object.keys(before), ...Object.keys(now)])) {
    const [member, other] = [before[key], now[key]];
    // Objects that come where there were none are an insertion.
    if (hasObjects(member) || hasObjects(other)) compare(member ?? [], other ?? [], `${place}.${key}`);
    else if (WRAPPED.has(key) && isObject(member)) compareObject(member, other, `${place}.${key}`);
  }
}

/** An array of texts may be shortened; one of messages, parts or calls may not. */
function hasObjects(value: JsonValue | undefined): boolean {
  return Array.isArray(value) && value.some((item) => typeof item === 'object' && item !== null);
}

function isObject(value: JsonValue | undefined): value is Json & JsonValue {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function structureError(problem: string, cause?: unknown): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_REDACTION_STRUCTURE', `nothing was written: ${problem}`, { cause });
}
