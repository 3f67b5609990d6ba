import { boundText } from '@spanledger/otel/internal';
import type { JsonValue } from '@spanledger/protocol';
import { BIGINT_MAX, isBinary, jsonNumber, keysOf, standIn } from './special-values.ts';

/** I7: what bounds the `fields` of one event, whatever it is given. */
export interface FieldLimits {
  /** UTF-16 units of one string; the rest is cut and marked `…[truncated:<units cut>]`. */
  readonly stringMax: number;
  /** Members of one object, elements of one array. */
  readonly itemsMax: number;
  /** Levels of nesting below `fields`. */
  readonly depthMax: number;
  /** UTF-16 units of all keys and values together, about. */
  readonly totalMax: number;
}

export const FIELD_LIMITS: FieldLimits = { stringMax: 1024, itemsMax: 64, depthMax: 6, totalMax: 16_384 };

/** The member that says how many others an object had. */
const REST_KEY = '…';
/** What a number costs of `totalMax`, and every container. */
const SCALAR_COST = 8;
const KEY_MAX = 128;

interface Budget {
  readonly limits: FieldLimits;
  /** Units left. */
  left: number;
  /** The containers we are inside of. */
  readonly parents: object[];
  readonly onCyclic: (() => void) | undefined;
}

/**
 * Makes an event's `fields` of values that nobody vouches for. It never throws (I5), and what it returns shares nothing
 * with its input.
 *
 * - Left out, because absent means absent: `null`, `undefined`, `''`, empty objects and arrays, functions, symbols, and a
 *   key named `__proto__`. Inside an array they become `''`, to keep the places. `false` is an answer, and stays.
 * - `Map` becomes an object (its keys as strings), `Set` an array, an error its `name`, `message` and own members, a RegExp its text.
 * - BigInt, integers past 2^53, NaN and infinities become strings; what has a `toJSON` (dates, URLs) is asked; binary
 *   data becomes `[bytes:<size>]`; lone surrogates become U+FFFD.
 * - Marked: `…[truncated:<n>]`, `[cyclic]`, `[too deep]`, and `[unreadable]` for what throws when it is read.
 *
 * @param onCyclic told of each value that holds itself, for those to whom a mark in its place is not enough.
 * @returns `undefined` if nothing is left.
 */
export function toFields(
  input: Readonly<Record<string, unknown>> | undefined,
  limits: FieldLimits = FIELD_LIMITS,
  onCyclic?: () => void,
): Record<string, JsonValue> | undefined {
  if (typeof input !== 'object' || input === null) return undefined;
  try {
    return objectValue(input, { limits, left: limits.totalMax, parents: [input], onCyclic });
  } catch {
    return { [REST_KEY]: '[unreadable]' };
  }
}

function jsonValue(value: unknown, budget: Budget): JsonValue | undefined {
  switch (typeof value) {
    case 'string':
      return value === ''
        ? undefined
        : spend(budget, boundText(value, Math.min(budget.limits.stringMax, Math.max(budget.left, 0))));
    case 'number':
      budget.left -= SCALAR_COST;
      return jsonNumber(value);
    case 'bigint':
      if (value > BIGINT_MAX || value < -BIGINT_MAX) return spend(budget, '[bigint too large]');
      return spend(budget, `${value}`);
    case 'boolean':
      budget.left -= SCALAR_COST;
      return value;
    case 'object':
      return value === null ? undefined : containerValue(value, budget);
    default:
      return undefined;
  }
}

function containerValue(value: object, budget: Budget): JsonValue | undefined {
  if (isBinary(value)) return spend(budget, `[bytes:${value.byteLength}]`);
  if (budget.parents.includes(value)) {
    budget.onCyclic?.();
    return spend(budget, '[cyclic]');
  }
  if (budget.parents.length > budget.limits.depthMax) return spend(budget, '[too deep]');
  budget.left -= SCALAR_COST;
  budget.parents.push(value);
  try {
    const other = standIn(value);
    if (other !== value) return jsonValue(other, budget);
    if (Array.isArray(value)) return arrayValue(value, budget);
    if (value instanceof Set) return arrayValue(firstOf(value, budget), budget, value.size);
    return value instanceof Map ? mapValue(value, budget) : objectValue(value, budget);
  } finally {
    budget.parents.pop();
  }
}

function arrayValue(value: readonly unknown[], budget: Budget, length = value.length): JsonValue[] | undefined {
  const items: JsonValue[] = [];
  for (let i = 0; i < length; i += 1) {
    if (i >= budget.limits.itemsMax || budget.left <= 0) {
      items.push(truncated(length - i));
      break;
    }
    items.push(member(value, i, budget) ?? '');
  }
  return items.length === 0 ? undefined : items;
}

function objectValue(value: object, budget: Budget): Record<string, JsonValue> | undefined {
  const fields: Record<string, JsonValue> = {};
  const keys = keysOf(value);
  let kept = 0;
  for (let i = 0; i < keys.length; i += 1) {
    const key = keys[i]!;
    if (kept >= budget.limits.itemsMax || budget.left <= 0) {
      fields[REST_KEY] = truncated(keys.length - i);
      break;
    }
    // An own `__proto__` would change the prototype of whatever a reader copies this into.
    if (key === '__proto__') continue;
    const json = member(value, key, budget);
    if (json === undefined) continue;
    fields[spend(budget, boundText(key, KEY_MAX))] = json;
    kept += 1;
  }
  return kept === 0 && !(REST_KEY in fields) ? undefined : fields;
}

function mapValue(value: ReadonlyMap<unknown, unknown>, budget: Budget): Record<string, JsonValue> | undefined {
  const first = firstOf(value, budget).map(([key, item]) => [String(key), item] as const);
  const fields = objectValue(Object.fromEntries(first), budget);
  return value.size === first.length ? fields : { ...fields, [REST_KEY]: truncated(value.size - first.length) };
}

/** As many as are kept, whatever there is. */
function firstOf<Item>(value: Iterable<Item>, { limits }: Budget): Item[] {
  const first: Item[] = [];
  for (const item of value) if (first.push(item) >= limits.itemsMax) break;
  return first;
}

/** Reads one member; a getter or Proxy that throws loses only itself. */
function member(value: object, key: string | number, budget: Budget): JsonValue | undefined {
  try {
    return jsonValue((value as Record<string | number, unknown>)[key], budget);
  } catch {
    return spend(budget, '[unreadable]');
  }
}

function spend(budget: Budget, text: string): string {
  budget.left -= text.length + SCALAR_COST;
  return text;
}

function truncated(count: number): string {
  return `…[truncated:${count}]`;
}
