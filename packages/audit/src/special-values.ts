import { types } from 'node:util';

/*
 * What JSON has no form for, as both copies of values make it: the bounded one of `fields`, and the whole one of transcripts. These
 * throw what reading the value throws.
 */

/** Past this a BigInt's decimal digits cost more than they say. */
export const BIGINT_MAX = 1n << 1024n;

/** NaN, infinities and integers past 2^53 as text; JSON knows no -0. */
export function jsonNumber(value: number): number | string {
  if (!Number.isFinite(value)) return `${value}`;
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? `${BigInt(value)}` : value + 0;
}

/** What an object says that it is (`toJSON`: dates, URLs), what is in the box of `new String`, the text of a regular expression; else the object. */
export function standIn(value: object): unknown {
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === 'function') return toJSON.call(value, '');
  if (types.isBoxedPrimitive(value)) return value.valueOf();
  return types.isRegExp(value) ? String(value) : value;
}

/** The names of an object's members. An error's name and message are none of its own enumerable ones, and all that most errors say. */
export function keysOf(value: object): string[] {
  const keys = Object.keys(value);
  return isError(value) ? [...new Set(['name', 'message', ...keys])] : keys;
}

export function isBinary(value: object): value is ArrayBufferView<ArrayBuffer> | ArrayBuffer {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
}

/** Also of another realm, and `DOMException` (aborts, timeouts), which is none to the engine. */
function isError(value: object): boolean {
  return types.isNativeError(value) || value instanceof Error;
}
