import { createHmac } from 'node:crypto';
import { SECRET_NAME, isMarked, plainMark, scrubText } from '@spanledger/otel/internal';
import type { Mark } from '@spanledger/otel/internal';
import type { JsonValue } from '@spanledger/protocol';

/** I7: names come from rules, and from whoever emits; past this many they are matched again each time, as are longer ones. */
const NAMES_MAX = 1024;
const NAME_UNITS_MAX = 128;

/** What the name of a field says. */
interface FieldName {
  /** Its value is a secret as a whole. */
  readonly isSecret: boolean;
  /** The name, without a secret that it may hold. */
  readonly text: string;
}

/**
 * Finds secrets in texts and puts a mark in their place. It changes nothing that it is given, and gives back the same object where
 * nothing was found, which is nearly always.
 */
export class SecretScrubber {
  readonly #mark: Mark;
  readonly #names = new Map<string, FieldName>();

  /** @param joinKey the mark is `[REDACTED:<16 hex>]` then: equal secrets get equal marks, that nobody without the key can make. */
  constructor(joinKey?: Uint8Array) {
    this.#mark = joinKey === undefined ? plainMark : (secret) => joinable(joinKey, secret);
  }

  text(text: string): string {
    return scrubText(text, this.#mark);
  }

  /** @param fields plain JSON, bounded in depth. */
  fields<Fields extends Readonly<Record<string, JsonValue>>>(fields: Fields): Fields {
    return this.#object(fields) as Fields;
  }

  value(value: JsonValue): JsonValue {
    if (typeof value === 'string') return this.text(value);
    if (typeof value !== 'object' || value === null) return value;
    return Array.isArray(value) ? this.#array(value) : this.#object(value);
  }

  #array(items: readonly JsonValue[]): JsonValue[] {
    let copy: JsonValue[] | undefined;
    for (let i = 0; i < items.length; i += 1) {
      const before = items[i] as JsonValue;
      const after = this.value(before);
      if (after !== before) (copy ??= [...items])[i] = after;
    }
    return copy ?? (items as JsonValue[]);
  }

  #object(object: Readonly<Record<string, JsonValue>>): Record<string, JsonValue> {
    let copy: Record<string, JsonValue> | undefined;
    for (const key in object) {
      const before = object[key] as JsonValue;
      const { isSecret, text } = this.#name(key);
      const after = isSecret ? this.#whole(before) : this.value(before);
      if (after === before && text === key) continue;
      copy ??= { ...object };
      if (text !== key) delete copy[key];
      copy[text === key ? key : freeName(copy, text)] = after;
    }
    return copy ?? object;
  }

  /** `false` says that there is none. */
  #whole(value: JsonValue): JsonValue {
    if (typeof value === 'boolean' || value === null) return value;
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return isMarked(text) ? value : this.#mark(text);
  }

  #name(key: string): FieldName {
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const name = { isSecret: SECRET_NAME.test(key), text: this.text(key) };
    if (this.#names.size < NAMES_MAX && key.length <= NAME_UNITS_MAX) this.#names.set(key, name);
    return name;
  }
}

/** Names that hold secrets may have the same mark in the end: each of their values is kept. */
function freeName(object: object, name: string): string {
  let free = name;
  for (let n = 2; Object.hasOwn(object, free); n += 1) free = `${name} ${n}`;
  return free;
}

function joinable(key: Uint8Array, secret: string): string {
  return `[REDACTED:${createHmac('sha256', key).update(secret).digest('hex').slice(0, 16)}]`;
}
