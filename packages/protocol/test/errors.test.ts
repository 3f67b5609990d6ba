import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES, SpanledgerError } from '../src/index.ts';

const docs = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8');
const sections = new Map(
  docs
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.split('\n', 1)[0], section] as const),
);

describe('docs/errors.md', () => {
  it('has exactly the codes there are', () => {
    expect([...sections.keys()].sort()).toEqual(Object.keys(ERROR_CODES).sort());
  });

  it.each(Object.entries(ERROR_CODES))('says what %s means, why it comes and what to do', (code, meaning) => {
    const section = sections.get(code);
    expect(section?.toLowerCase()).toContain(meaning.toLowerCase());
    expect(section).toMatch(/^\*\*Likely causes\.\*\* \S/m);
    expect(section).toMatch(/^\*\*What to do\.\*\* \S/m);
  });
});

it('a SpanledgerError has its code, message and cause', () => {
  const cause = new Error('why');
  const error = new SpanledgerError('SPANLEDGER_SINK', 'what', { cause });
  expect(error).toBeInstanceOf(Error);
  expect(error).toMatchObject({ name: 'SpanledgerError', code: 'SPANLEDGER_SINK', message: 'what', cause });
});
