import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as patterns from '../../otel/src/redaction/secret-patterns.ts';
import { mayHoldSecret } from '../../otel/src/redaction/may-hold-secret.ts';
import { GITLEAKS, fill } from './gitleaks-examples.ts';
import { countSteps } from './regexp-steps.ts';
import { SHAPE_COUNT, plantedSecrets } from './redaction-support.ts';

/** What the patterns begin with, and what leads them on. */
const UNITS = [
  'sk-',
  'sk-a',
  'eyJ',
  '-eyJa',
  'eyJaaaaaaaa.',
  '://',
  '://a:',
  '://a:b',
  '://a:@',
  '@',
  'key',
  'key_',
  'key=',
  'password',
  'password:',
  'pass"',
  'Bearer ',
  'bearer a',
  'Basic Aa',
  '-----BEGIN ',
  '-----BEGIN PRIVATE KEY-----',
  '-----BEGIN A',
  'AKIA',
  'SG.',
  'xox',
  'gl-',
  ' ',
  '"',
  '\\"',
  '=',
  'cookie:',
  'cookie: "',
  'SUAAAAAAAAAA',
  'hooks.slack.com/services/',
  'token token=',
  'a',
  'A1',
  '…[truncated:',
  'ghp_',
  'key-abcdef12',
  '--password ',
  '--password a',
  '--token-',
  '--a-',
  '<password>',
  '<password a>b',
  '<a:password ',
  'x-api-key:',
  'curl -u a:',
  'curl ',
  'curl -u "',
  'authorization: bearer ',
  '<add key="password" value="',
  '<add key="',
  'token_',
  'pwd',
  '12345678:A',
  '123456789012345|a',
  '_mm',
  '-us',
  'a.atlasv1.',
  'aQ~',
  ' -u a:b ',
];

const { ASSIGNMENT, KEY_HINT, NAMED_SECRETS, NAME_HINT, SECRET_NAME, SIGN_HINT, WHOLE_SECRETS } = patterns;
const SEARCHED = [...WHOLE_SECRETS, ...NAMED_SECRETS, ASSIGNMENT];

/** How keys begin, in each of the shapes that are known. */
const BEGINNINGS = Object.values(GITLEAKS.keys)
  .flat()
  .map((shape) => fill(shape).slice(0, 9));

/** Eight times the text is eight times the work, and 64 times where that is quadratic; either may be counted as half or twice as much. */
const TIMES = 8;
const GROWTH_MAX = 24;
/** Longer than any bounded repetition: those cost the same for every character. */
const LENGTH = 2048;

function growth(pattern: RegExp, unit: string): number {
  const text = unit.repeat(Math.ceil(LENGTH / unit.length));
  return countSteps(pattern, text.repeat(TIMES)) / countSteps(pattern, text);
}

describe('a hostile text costs work in proportion to its length', () => {
  const pairs = fc.array(fc.constantFrom(...UNITS, ...BEGINNINGS), { minLength: 2, maxLength: 3 });
  const units = [...UNITS, ...BEGINNINGS, ...fc.sample(pairs, 100).map((pair) => pair.join(''))];

  it.each([...SEARCHED, KEY_HINT, NAME_HINT, SIGN_HINT, SECRET_NAME].map((pattern) => ({ pattern })))(
    'where it is searched for $pattern',
    ({ pattern }) => {
      expect(units.filter((unit) => growth(pattern, unit) > GROWTH_MAX)).toEqual([]);
    },
  );

  it.each([/x.*y/g, /a+b/g, /(?<!b)a+b/g, /(?=[^@]*@)a/g, /(?:a|ab)*?c/g])(
    'and what is quadratic is seen: %s',
    (pattern) => {
      const worst = Math.max(...['x', 'a', 'ab'].map((unit) => growth(pattern, unit)));
      expect(worst).toBeGreaterThan(GROWTH_MAX);
    },
  );
});

it('the look before the patterns never keeps a text from them', () => {
  const pieces = fc.constantFrom(
    ...UNITS,
    ...plantedSecrets(SHAPE_COUNT).flatMap(({ text, secret }) => [text, secret]),
  );
  const texts = fc
    .array(fc.oneof(pieces, fc.string({ maxLength: 4 })), { maxLength: 6 })
    .map((parts) => parts.join(''));
  const missed = fc.sample(texts, 5_000).filter((text) => {
    return !mayHoldSecret(text) && SEARCHED.some((pattern) => text.search(pattern) !== -1);
  });
  expect(missed).toEqual([]);
});
