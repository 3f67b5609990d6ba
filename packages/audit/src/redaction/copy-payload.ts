import { SpanledgerError } from '@spanledger/protocol';
import type { JsonValue } from '@spanledger/protocol';
import { BIGINT_MAX, isBinary, jsonNumber, keysOf, standIn } from '../special-values.ts';

/** Levels of nesting of one payload: far above what people write, far below what a call stack holds. */
const DEPTH_MAX = 256;
/** I7: UTF-16 units of the copy, about. One object that is there many times is copied as often: a few lines may stand for terabytes. */
const UNITS_MAX = 32 * 1024 * 1024;
/** What each value costs beside its text. */
const VALUE_UNITS = 8;

interface Copying {
  /** The containers we are inside of. */
  readonly parents: object[];
  unitsLeft: number;
}

/**
 * Copies a payload that must be kept whole, as plain JSON that shares nothing with it. Where `toFields` marks, this throws: a
 * transcript with holes is none.
 *
 * - `Map` becomes an object (its keys as strings), `Set` an array; what has a `toJSON` (dates, URLs) is asked.
 * - BigInt, integers past 2^53, NaN and infinities become strings; binary data (Buffer, typed arrays, ArrayBuffer) base64.
 * - A class instance becomes its own enumerable members, getters read once; an error its `name` and `message` besides, a RegExp its text. Functions, symbols, `undefined` and
 *   `null` are left out, because absent means absent; in an array they are `''`, to keep the places. A key named `__proto__` is left out. Lone surrogates become U+FFFD.
 *
 * @throws SpanledgerError `SPANLEDGER_PAYLOAD` if it is cyclic, deeper than 256 levels, larger than 32 Mi UTF-16 units, has a BigInt of more
 * than 1,024 bits, or throws when it is read.
 */
export function copyPayload(value: unknown): JsonValue {
  try {
    return copy(value, { parents: [], unitsLeft: UNITS_MAX }) ?? {};
  } catch (error) {
    if (error instanceof SpanledgerError) throw error;
    throw new SpanledgerError('SPANLEDGER_PAYLOAD', 'a payload threw when it was read', { cause: error });
  }
}

function copy(value: unknown, copying: Copying): JsonValue | undefined {
  spend(copying, VALUE_UNITS);
  switch (typeof value) {
    case 'string':
      spend(copying, value.length);
      return value.toWellFormed();
    case 'boolean':
      return value;
    case 'bigint':
      if (value > BIGINT_MAX || value < -BIGINT_MAX) throw tooLarge();
      return `${value}`;
    case 'number':
      return jsonNumber(value);
    case 'object':
      return value === null ? undefined : copyObject(value, copying);
    default:
      return undefined;
  }
}

function spend(copying: Copying, units: number): void {
  copying.unitsLeft -= units;
  if (copying.unitsLeft < 0) throw tooLarge();
}

function tooLarge(): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_PAYLOAD', 'a payload is too large');
}

function copyObject(value: object, copying: Copying): JsonValue | undefined {
  const { parents } = copying;
  if (isBinary(value)) {
    spend(copying, value.byteLength * 2);
    return base64(value);
  }
  if (parents.includes(value)) throw new SpanledgerError('SPANLEDGER_PAYLOAD', 'a payload is cyclic');
  if (parents.length >= DEPTH_MAX) {
    throw new SpanledgerError('SPANLEDGER_PAYLOAD', `a payload is nested deeper than ${DEPTH_MAX} levels`);
  }
  parents.push(value);
  const result = copyMembers(value, copying);
  parents.pop();
  return result;
}

function copyMembers(value: object, copying: Copying): JsonValue | undefined {
  const other = standIn(value);
  if (other !== value) return copy(other, copying);
  if (value instanceof Map) return copyEntries(entriesOf(value), copying);
  if (value instanceof Set || Array.isArray(value))
    return Array.from(value as Iterable<unknown>, (member) => copy(member, copying) ?? '');
  return copyEntries(
    keysOf(value).map((key) => [key, (value as Record<string, unknown>)[key]]),
    copying,
  );
}

function* entriesOf(map: ReadonlyMap<unknown, unknown>): Generator<readonly [string, unknown]> {
  for (const [key, member] of map) yield [String(key), member];
}

function copyEntries(entries: Iterable<readonly [string, unknown]>, copying: Copying): Record<string, JsonValue> {
  const result: Record<string, JsonValue> = {};
  for (const [key, member] of entries) {
    // It would change the prototype, here and wherever a reader copies it.
    if (key === '__proto__') continue;
    spend(copying, key.length);
    const json = copy(member, copying);
    if (json !== undefined) result[key.toWellFormed()] = json;
  }
  return result;
}

function base64(value: ArrayBufferView<ArrayBuffer> | ArrayBuffer): string {
  const bytes = ArrayBuffer.isView(value)
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    : Buffer.from(value);
  return bytes.toString('base64');
}
