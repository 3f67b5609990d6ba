import { mayHoldSecret } from './may-hold-secret.ts';
import { ASSIGNMENT, NAMED_SECRETS, WHOLE_SECRETS } from './secret-patterns.ts';

/** What stands where a secret was, and how it begins where there is more to it. */
const REDACTED = '[REDACTED]';
const MARK_START = '[REDACTED';

/** No text with a secret and its name is shorter. */
const TEXT_MIN = 6;
/** A value that may be a secret: shorter ones are words and numbers. */
const RANDOM_MIN = 12;
/** Bits for each character; English words have less, base64 and hex of this length more. */
const ENTROPY_MIN = 2.8;

/** What to put in the place of a secret. */
export type Mark = (secret: string) => string;

export const plainMark: Mark = () => REDACTED;

export function isMarked(text: string): boolean {
  return text.startsWith(MARK_START);
}

/** Finds secrets in a text and puts a mark in their place. Nearly always there is none, and the text comes back as it is. */
export function scrubText(text: string, mark: Mark = plainMark): string {
  return text.length < TEXT_MIN || !mayHoldSecret(text) ? text : scrub(text, mark);
}

function scrub(text: string, mark: Mark): string {
  let result = text;
  for (const pattern of WHOLE_SECRETS) result = result.replace(pattern, mark);
  for (const pattern of NAMED_SECRETS)
    result = result.replace(pattern, (...match) => inside(match, groups(match)['secret'], mark));
  return result.replace(ASSIGNMENT, (...match) => {
    const { certain, likely, double, single, bare } = groups(match);
    const value = (double ?? single ?? bare)?.replace(/(?<!\\)\\+$/, '');
    const isSecret = certain !== undefined || (likely !== undefined && value !== undefined && looksRandom(value));
    return isSecret ? inside(match, value, mark) : match[0];
  });
}

/** The secret is the last thing of a match, but for what is left of a quotation. */
function inside(match: readonly unknown[], secret: string | undefined, mark: Mark): string {
  const whole = String(match[0]);
  if (!secret || isMarked(secret)) return whole;
  const at = whole.lastIndexOf(secret);
  return whole.slice(0, at) + mark(secret) + whole.slice(at + secret.length);
}

function groups(match: readonly unknown[]): Record<string, string | undefined> {
  return match.at(-1) as Record<string, string | undefined>;
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
