import { createHmac } from 'node:crypto';
import type { JsonValue } from '@spanledger/protocol';
import { mayHoldSecret } from './may-hold-secret.ts';
import { ASSIGNMENT, NAMED_SECRETS, SECRET_NAME, WHOLE_SECRETS } from './secret-patterns.ts';

/** What stands where a secret was. With a join key it is `[REDACTED:<16 hex>]`. */
const REDACTED = '[REDACTED]';

/** No text with a secret and its name is shorter. */
const TEXT_MIN = 6;
/** A value that may be a secret: shorter ones are words and numbers. */
const RANDOM_MIN = 12;
/** Bits for each character; English words have less, base64 and hex of this length more. */
const ENTROPY_MIN = 2.8;
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
  readonly #mark: (secret: string) => string;
  readonly #names = new Map<string, FieldName>();

  /** @param joinKey equal secrets get equal marks, that nobody without the key can make. */
  constructor(joinKey?: Uint8Array) {
    this.#mark = joinKey === undefined ? () => REDACTED : (secret) => joinable(joinKey, secret);
  }

  text(text: string): string {
    return text.length < TEXT_MIN || !mayHoldSecret(text) ? text : this.#scrub(text);
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
      copy[text] = after;
    }
    return copy ?? object;
  }

  /** `false` says that there is none. */
  #whole(value: JsonValue): JsonValue {
    if (typeof value === 'boolean' || value === null) return value;
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    return text.startsWith('[REDACTED') ? value : this.#mark(text);
  }

  #name(key: string): FieldName {
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const name = { isSecret: SECRET_NAME.test(key), text: this.text(key) };
    if (this.#names.size < NAMES_MAX && key.length <= NAME_UNITS_MAX) this.#names.set(key, name);
    return name;
  }

  #scrub(text: string): string {
    let result = text;
    for (const pattern of WHOLE_SECRETS) result = result.replace(pattern, this.#mark);
    for (const pattern of NAMED_SECRETS)
      result = result.replace(pattern, (...match) => this.#inside(match, groups(match)['secret']));
    return result.replace(ASSIGNMENT, (...match) => {
      const { certain, likely, double, single, bare } = groups(match);
      const value = (double ?? single ?? bare)?.replace(/(?<!\\)\\+$/, '');
      const isSecret = certain !== undefined || (likely !== undefined && value !== undefined && looksRandom(value));
      return isSecret ? this.#inside(match, value) : match[0];
    });
  }

  /** The secret is the last thing of a match, but for what is left of a quotation. */
  #inside(match: readonly unknown[], secret: string | undefined): string {
    const whole = String(match[0]);
    if (!secret || secret.startsWith('[REDACTED')) return whole;
    const at = whole.lastIndexOf(secret);
    return whole.slice(0, at) + this.#mark(secret) + whole.slice(at + secret.length);
  }
}

function groups(match: readonly unknown[]): Record<string, string | undefined> {
  return match.at(-1) as Record<string, string | undefined>;
}

function joinable(key: Uint8Array, secret: string): string {
  return `[REDACTED:${createHmac('sha256', key).update(secret).digest('hex').slice(0, 16)}]`;
}

/** Long, of more than letters alone, and no character much more frequent than the others (Shannon). */
function looksRandom(text: string): boolean {
  if (text.length < RANDOM_MIN || !/\d/.test(text)) return false;
  const sample = text.slice(0, 64);
  const counts = new Map<string, number>();
  for (const character of sample) counts.set(character, (counts.get(character) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) bits -= (count / sample.length) * Math.log2(count / sample.length);
  return bits >= ENTROPY_MIN;
}
