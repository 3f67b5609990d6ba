import { isDeepStrictEqual } from 'node:util';
import { SpanledgerError } from '@spanledger/protocol';
import type { JsonValue } from '@spanledger/protocol';
import { askPolicy } from './ask-policy.ts';
import { copyPayload } from './copy-payload.ts';
import type { RedactionPolicy } from './redaction-options.ts';
import type { SecretScrubber } from './secret-scrubber.ts';

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
  'toolUseId',
  'toolName',
  'call_id',
  'finish_reason',
  'finishReason',
  'task_id',
  'session_id',
  'request_id',
  'seq',
  'firstEventId',
  'lastEventId',
] as const;

/**
 * Members that are the message or call itself, where a vendor wraps it: `{ message: { role, content } }`, `{ function: { name } }` (OpenAI),
 * `{ functionCall: { name } }` (Gemini), `{ toolUse: { toolUseId } }` (Bedrock).
 */
const WRAPPED = new Set(['message', 'function', 'delta', 'functionCall', 'functionResponse', 'toolUse', 'toolResult']);

/** Each object and array of the structure, under its place in the payload (a JSON Pointer). */
type Structure = ReadonlyMap<string, object>;

/**
 * Redacts what has a structure to keep: the messages of a transcript. A policy may change what is said, and not by whom, in answer
 * to what, or in which order. Structure is what is reached from the payload through arrays with objects in them, and members of `WRAPPED`:
 * lengths, the order of elements, and in each element and the payload itself the members of `STRUCTURAL_KEYS`. Other objects inside of an
 * element (the arguments of a tool) are content, and so is an array of texts.
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
  policy: RedactionPolicy | undefined,
  scrubber: SecretScrubber | undefined,
): JsonValue {
  const original = copyPayload(payload);
  const allowed = policy === undefined ? original : applyPolicy(policy, original);
  // Last, so that what a policy puts in is looked at too. A mark in place of an id is a change of structure as well.
  const scrubbed = scrubber === undefined ? allowed : scrubber.value(allowed);
  if (scrubbed !== original) requireSame(structureOf(original), structureOf(scrubbed));
  return scrubbed;
}

function applyPolicy(policy: RedactionPolicy, original: JsonValue): JsonValue {
  const given = structuredClone(original);
  const before = structureOf(given);
  let result: object;
  try {
    result = askPolicy(policy, given);
  } catch (error) {
    throw structureError('the redaction policy threw, or returned no object', error);
  }
  let copy: JsonValue;
  let after: Structure;
  try {
    // First, so that what is walked then is known to be neither cyclic nor too deep.
    copy = copyPayload(result);
    after = structureOf(result);
  } catch (error) {
    throw structureError('what the redaction policy returned cannot be copied', error);
  }
  if (isMoved(before, after)) throw structureError('the redaction policy moved an element of an array');
  return copy;
}

function structureOf(payload: unknown): Structure {
  const structure = new Map<string, object>();
  const enter = (value: object, place: string): void => {
    structure.set(place, value);
    for (const [key, member] of Object.entries(value)) {
      const isPart = Array.isArray(value) ? isContainer(member) : hasObjects(member) || isWrapped(place, key, member);
      if (isPart) enter(member as object, `${place}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`);
    }
  };
  if (isContainer(payload)) enter(payload, '');
  return structure;
}

/** A policy that moves an element keeps its identity, within its array and in another. */
function isMoved(before: Structure, after: Structure): boolean {
  const places = new Map([...before].map(([place, part]) => [part, place]));
  return [...after].some(([place, part]) => (places.get(part) ?? place) !== place);
}

function requireSame(before: Structure, after: Structure): void {
  for (const place of new Set([...before.keys(), ...after.keys()])) {
    const [part, other] = [before.get(place), after.get(place)] as (Readonly<Record<string, unknown>> | undefined)[];
    // Objects that come where there were none are an insertion.
    if (part === undefined || other === undefined || Array.isArray(part) !== Array.isArray(other))
      throw structureError(`${place} was put in, taken out or replaced`);
    const keys: readonly string[] = Array.isArray(part) ? ['length'] : STRUCTURAL_KEYS;
    const changed = keys.find((key) => !isDeepStrictEqual(part[key], other[key]));
    if (changed !== undefined) throw structureError(`${place}/${changed} was changed`);
  }
}

function isContainer(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** An array of texts may be shortened; one of messages, parts or calls may not. */
function hasObjects(value: unknown): boolean {
  return Array.isArray(value) && value.some(isContainer);
}

/** Also the content itself, where that is one object (a summary), or says whose it is (Gemini's `{ content: { role, parts } }`). */
function isWrapped(place: string, key: string, value: unknown): boolean {
  if (!isContainer(value) || Array.isArray(value)) return false;
  return WRAPPED.has(key) || (key === 'content' && (place === '' || 'role' in value));
}

function structureError(problem: string, cause?: unknown): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_REDACTION_STRUCTURE', `nothing was written: ${problem}`, { cause });
}
