import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { SecretScrubber } from '../src/redaction/secret-scrubber.ts';
import type { Example } from './gitleaks-examples.ts';
import { GITLEAKS, examplesOf } from './gitleaks-examples.ts';

/** Rules of gitleaks that we do not follow, or not in all that they find, and why. */
const NOT_FOUND: Readonly<Record<string, string>> = {
  'adobe-client-id': 'an id',
  'asana-client-id': 'an id',
  'bitbucket-client-id': 'an id',
  'discord-client-id': 'an id',
  'linkedin-client-id': 'an id',
  'looker-client-id': 'an id',
  'messagebird-client-id': 'an id',
  'new-relic-user-api-id': 'an id',
  'plaid-client-id': 'an id',
  'sendbird-access-id': 'an id',
  'sumologic-access-id': 'an id',
  'generic-api-key':
    'after `key`, `auth` and `access` alone, ids of rows, caches and partitions are as frequent as secrets',
  'kubernetes-secret-yaml': 'only those of its entries whose own names tell',
  'pkcs12-file': 'the name of a file',
  'sidekiq-secret': 'its name is that of a host',
  'sourcegraph-access-token': 'forty hexadecimal digits are the hash of a commit; those with `sgp_` are found',
};

const RULES = ['keys', 'named', 'texts'].flatMap((kind) => Object.keys(GITLEAKS[kind as 'keys'])).toSorted();
const scrubber = new SecretScrubber();

function missed(rule: string): string[] {
  return examplesOf(rule)
    .filter(({ text, secret }) => scrubber.text(text) !== text.replace(secret, '[REDACTED]'))
    .map(({ text }) => text);
}

const NOT = Object.keys(NOT_FOUND).length;
const COVERAGE = `${RULES.length - NOT} of the ${RULES.length} default rules of gitleaks ${GITLEAKS.source['version'] as string}`;

describe(`the rules: ${COVERAGE}`, () => {
  it.each(RULES.filter((rule) => !(rule in NOT_FOUND)))('are covered: %s', (rule) => {
    expect(missed(rule)).toEqual([]);
  });

  it.each(Object.entries(NOT_FOUND))('are covered, and not %s: %s', (rule) => {
    expect(missed(rule)).not.toEqual([]);
  });

  it('are covered, as docs/redaction.md says', () => {
    expect(readFileSync(new URL('../../../docs/redaction.md', import.meta.url), 'utf8').replace(/\s+/g, ' ')).toContain(
      COVERAGE,
    );
  });
});

const checkout = process.env['SPANLEDGER_GITLEAKS_SOURCE'];
describe.skipIf(checkout === undefined)('the rules of a checkout of gitleaks (SPANLEDGER_GITLEAKS_SOURCE)', () => {
  const published = checkout === undefined ? new Map<string, string>() : rulesIn(checkout);

  it('are those that we know', () => {
    expect([...published.keys()].toSorted()).toEqual(RULES);
  });

  it('find the examples that we make of them, some only with the name of the vendor', () => {
    const other = RULES.filter((rule) => {
      const source = published.get(rule)!;
      const pattern = new RegExp(inJavaScript(source), source.includes('?i') ? 'i' : '');
      const finds = ({ text, secret }: Example): boolean =>
        [text, secret, `${rule.replaceAll('-', '_')}=${secret}`].some((one) => pattern.test(one));
      return !examplesOf(rule).every(finds);
    });
    expect(other.join(' ')).toBe('');
  });
});

function rulesIn(folder: string): Map<string, string> {
  const file = readFileSync(path.join(folder, GITLEAKS.source['file'] as string), 'utf8');
  const rules = file.split('[[rules]]').slice(1);
  const only = (rule: string, line: RegExp): string => line.exec(rule)?.[1]?.trim() ?? '';
  return new Map(rules.map((rule) => [only(rule, /^id = "(.*)"/m), only(rule, /^regex = '''(.*?)'''/ms)]));
}

/** Case aside: JavaScript cannot ignore it in a part of a pattern. */
function inJavaScript(pattern: string): string {
  return pattern
    .replace(/\(\?-?i\)/g, '')
    .replace(/\(\?(?:-?i|P<\w+>|s):?/g, '(?:')
    .replaceAll('(?:.)', '[^]')
    .replaceAll('[[:alnum:]]', '[A-Za-z0-9]')
    .replaceAll('\\z', '$');
}
