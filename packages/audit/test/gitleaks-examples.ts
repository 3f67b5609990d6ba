import { readFileSync } from 'node:fs';
import { randomInt } from 'node:crypto';

/** An example of what a rule is about: what stands around the secret, and the secret itself. */
export interface Example {
  readonly text: string;
  readonly secret: string;
}

type Shapes = Readonly<Record<string, string | readonly string[]>>;

/**
 * What the default rules of gitleaks look for, told in our own words: `<alphabet:length>` is random, the rest is as it stands, several
 * shapes are alternatives of one rule. `keys` have a shape of their own; `named` are told by the name before them, which is that of the
 * rule; `texts` have the secret in `«»`, and what tells it around it.
 */
export const GITLEAKS = JSON.parse(
  readFileSync(new URL('fixtures/gitleaks-rules.json', import.meta.url), 'utf8'),
) as Readonly<Record<'source' | 'keys' | 'named' | 'texts', Shapes>>;

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const DIGITS = '0123456789';
const ALPHABETS: Readonly<Record<string, string>> = {
  digit: DIGITS,
  letter: LETTERS,
  hex: `${DIGITS}abcdef`,
  lower: `${DIGITS}abcdefghijklmnopqrstuvwxyz`,
  upper: `${DIGITS}ABCDEFGHIJKLMNOPQRSTUVWXYZ`,
  alnum: DIGITS + LETTERS,
  word: `${DIGITS}${LETTERS}_`,
  url: `${DIGITS}${LETTERS}_-`,
  base64: `${DIGITS}${LETTERS}+/`,
  base32: '234567ABCDEFGHIJKLMNOPQRSTUVWXYZ',
  bech32: '023456789ACDEFGHJKLMNPQRSTUVWXYZ',
};
const UUID = '<hex:8>-<hex:4>-<hex:4>-<hex:4>-<hex:12>';

/** Examples of each alternative of a rule, as texts in which it has to be found. */
export function examplesOf(rule: string): readonly Example[] {
  const { keys, named, texts } = GITLEAKS;
  const several = (shapes: string | readonly string[] = []): string[] => [shapes].flat().map(fill);
  const name = rule.replaceAll('-', '_');
  return [
    ...several(keys[rule]).flatMap((secret) => [
      { text: `the call with ${secret} failed`, secret },
      { text: `VALUE=${secret}`, secret },
      { text: JSON.stringify({ note: JSON.stringify([secret]) }), secret },
    ]),
    ...several(named[rule]).flatMap((secret) => [
      { text: `${name.toUpperCase()}=${secret}`, secret },
      { text: `${name}: "${secret}",`, secret },
      { text: JSON.stringify({ [name]: secret }), secret },
    ]),
    ...several(texts[rule]).map((text) => ({
      text: text.replace(/[«»]/g, ''),
      secret: /«([^»]*)»/.exec(text)![1]!,
    })),
  ];
}

/** A key or value of a rule, without anything around it. */
export function fill(shape: string): string {
  return shape
    .replaceAll('<uuid>', UUID)
    .replace(/<(\w+):(\d+)>/g, (_, name: string, length) => random(ALPHABETS[name]!, +length));
}

/** Of those with digits one has: what is told by its name alone is a secret if it looks random, and words do not. */
function random(alphabet: string, length: number): string {
  const characters = Array.from({ length }, () => alphabet[randomInt(alphabet.length)]!);
  // Alphabets begin with their digits.
  if (length > 4) characters[4] = alphabet[randomInt(2)]!;
  return characters.join('');
}
