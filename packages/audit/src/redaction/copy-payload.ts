import { SpanledgerError } from '@spanledger/protocol';
import type { JsonValue } from '@spanledger/protocol';

/** Levels of nesting of one payload: far above what people write, far below what a call stack holds. */
const DEPTH_MAX = 256;

/**
 * Copies a payload that must be kept whole, as plain JSON that shares nothing with it. Where `toFields` marks, this throws: a
 * transcript with holes is none.
 *
 * - `Map` becomes an object (its keys as strings), `Set` an array; what has a `toJSON` (dates, URLs) is asked.
 * - BigInt, integers past 2^53, NaN and infinities become strings; binary data (Buffer, typed arrays, ArrayBuffer) base64.
 * - A class instance becomes its own enumerable members, getters read once. Functions, symbols, `undefined` and
 *   `null` are left out, because absent means absent; in an array they are `''`, to keep the places. A key named `__proto__` is left out. Lone surrogates become U+FFFD.
 *
 * @throws SpanledgerError `SPANLEDGER_PAYLOAD` if it is cyclic, deeper than 256 levels, or throws when it is read.
 */
export function copyPayload(value: unknown): JsonValue {
  try {
    return copy(value, []) ?? {};
  } catch (error) {
    if (error instanceof SpanledgerError) throw error;
    throw new SpanledgerError('SPANLEDGER_PAYLOAD', 'a payload threw when it was read', { cause: error });
  }
}

function copy(value: unknown, parents: object[]): JsonValue | undefined {
  switch (typeof value) {
    case 'string':
      return value.toWellFormed();
    case 'boolean':
      return value;
    case 'bigint':
      return `${value}`;
    case 'number':
      if (!Number.isFinite(value)) return `${value}`;
      return Number.isInteger(value) && !Number.isSafeInteger(value) ? `${BigInt(value)}` : value + 0;
    case 'object':
      return value === null ? undefined : copyObject(value, parents);
    default:
      return undefined;
  }
}

function copyObject(value: object, parents: object[]): JsonValue | undefined {
  const bytes = binary(value);
  if (bytes !== undefined) return bytes.toString('base64');
  if (parents.includes(value)) throw new SpanledgerError('SPANLEDGER_PAYLOAD', 'a payload is cyclic');
  if (parents.length >= DEPTH_MAX) {
    throw new SpanledgerError('SPANLEDGER_PAYLOAD', `a payload is nested deeper than ${DEPTH_MAX} levels`);
  }
  parents.push(value);
  const result = copyMembers(value, parents);
  parents.pop();
  return result;
}

function copyMembers(value: object, parents: object[]): JsonValue | undefined {
  if (value instanceof Map)
    return copyEntries(
      [...value].map(([key, member]) => [String(key), member] as const),
      parents,
    );
  if (value instanceof Set) return [...value].map((member) => copy(member, parents) ?? '');
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === 'function') return copy(toJSON.call(value, ''), parents);
  if (Array.isArray(value)) return Array.from(value, (member) => copy(member, parents) ?? '');
  return copyEntries(Object.entries(value), parents);
}

function copyEntries(entries: Iterable<readonly [string, unknown]>, parents: object[]): Record<string, JsonValue> {
  const result: Record<string, JsonValue> = {};
  for (const [key, member] of entries) {
    // It would change the prototype, here and wherever a reader copies it.
    if (key === '__proto__') continue;
    const json = copy(member, parents);
    if (json !== undefined) result[key.toWellFormed()] = json;
  }
  return result;
}

function binary(value: object): Buffer | undefined {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return value instanceof ArrayBuffer || value instanceof SharedArrayBuffer ? Buffer.from(value) : undefined;
}
