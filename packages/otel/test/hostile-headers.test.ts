import { WORKFLOW_FIELDS } from '@spanledger/protocol';
import type { WorkflowIdentity } from '@spanledger/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from './support.ts';

const control = fc.string({
  unit: fc.integer({ min: 0, max: 0x1f }).map((code) => String.fromCodePoint(code)),
  minLength: 1,
});
const visible = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCodePoint(code)),
  minLength: 1,
  maxLength: 128,
});

const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.tuple(visible, control, visible).map((parts) => parts.join('')),
  fc.constantFrom(
    'a'.repeat(100_000),
    ' '.repeat(100_000),
    'a'.repeat(129),
    '',
    ' ',
    'a, b',
    'a\r\nX-Workflow-Id: b',
    '\u0000',
    'é',
    '日本',
    '\ud800',
    '\u00a0a',
    '\ufeffa',
  ),
  fc.constantFrom<unknown>(
    [],
    ['a', 'b'],
    ['a', 'a'],
    [['a']],
    {},
    { toString: () => 'a' },
    Symbol('a'),
    7,
    Number.NaN,
    true,
    null,
    undefined,
    1n,
    () => 'a',
  ),
  fc.string({ unit: 'binary', maxLength: 300 }),
);
/** Valid ones that something further on might trip over. */
const wildValue = fc.oneof(
  visible,
  fc.constantFrom('*', '>', 'a.b.>', '__proto__', 'constructor', '%2E', '-', '{}', '1', '9007199254740991'),
);

const fieldHeader = fc.constantFrom(...WORKFLOW_FIELDS.map(({ header }) => header));
const anyCase = fc
  .tuple(fieldHeader, fc.constantFrom('lower', 'upper', 'as it is'))
  .map(([name, how]) => (how === 'lower' ? name.toLowerCase() : how === 'upper' ? name.toUpperCase() : name));
const name = fc.oneof(
  { weight: 5, arbitrary: anyCase },
  fc.constantFrom('__proto__', 'constructor', 'toString', 'x-workflow-id ', 'x-workflow-ıd', 'X'.repeat(100_000)),
  fc.string(),
);

const entries = fc.array(
  fc.tuple(
    name,
    fc.oneof(
      hostileValue,
      wildValue,
      wildValue.map((value) => [value]),
    ),
  ),
  { maxLength: 12 },
);

/** Says independently what must come out: a field whose header is there once, with one good value. */
function expected(carrier: Record<string, unknown>): WorkflowIdentity {
  const result: Record<string, unknown> = {};
  for (const { key, header } of WORKFLOW_FIELDS) {
    const given = Object.keys(carrier)
      .filter((candidate) => candidate.toLowerCase() === header.toLowerCase())
      .map((candidate) => carrier[candidate])
      .map((value) => (Array.isArray(value) && value.length < 2 ? value[0] : value))
      .filter((value) => value !== undefined && value !== null);
    const [value] = given;
    if (given.length !== 1) continue;
    if (key === 'attempt') {
      const number =
        typeof value === 'string' && /^[ \t]*[1-9]\d*[ \t]*$/.test(value) && value.length < 1000
          ? Number(value)
          : value;
      if (Number.isSafeInteger(number) && Number(number) >= 1) result[key] = number;
    } else if (typeof value === 'string' && value.length <= 1024) {
      const trimmed = value.replace(/^[ \t]+|[ \t]+$/g, '');
      if (/^[!-~]{1,128}$/.test(trimmed)) result[key] = trimmed;
    }
  }
  return result;
}

describe('hostile headers', () => {
  it('never throw, and forge nothing: exactly the good values come through', () => {
    let withIdentity = 0;
    fc.assert(
      fc.property(entries, (list) => {
        const carrier = Object.create(null) as Record<string, unknown>;
        for (const [key, value] of list) carrier[key] = value;
        const identity = parse(carrier);
        expect(identity).toStrictEqual(expected(carrier));
        expect(Object.getPrototypeOf(identity)).toBe(Object.prototype);
        if (Object.keys(identity).length > 0) withIdentity += 1;
      }),
      { numRuns: 5000 },
    );
    // The corpus must hold both kinds, or it shows nothing.
    expect(withIdentity).toBeGreaterThan(500);
    expect(withIdentity).toBeLessThan(5000);
    expect(({} as Record<string, unknown>)['workflowId']).toBeUndefined();
  });
});
