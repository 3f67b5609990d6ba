import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  SpanledgerError,
  canonicalBytes,
  checkProducer,
  decodeSubject,
  encodeSubject,
  encodeToken,
  formatTimestamp,
  parseAttempt,
  parseId,
} from '../src/index.ts';

const hostile = fc.oneof(
  fc.anything({
    withBigInt: true,
    withDate: true,
    withNullPrototype: true,
    withSparseArray: true,
    withTypedArray: true,
  }),
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom(
    '__proto__',
    'auditEvent.*.>',
    '\r\nX-Evil: 1',
    '\0',
    'x'.repeat(100_000),
    ' '.repeat(100_000),
    Symbol('s'),
  ),
  fc.string({ unit: fc.constantFrom(' ', '\t', '\n', 'a', '.', '*', '>', '\u0000', '\u00a0', '\ud800') }),
);

describe('values from untrusted sources', () => {
  it('are 1 to 128 visible ASCII characters or nothing, and nothing throws', () => {
    fc.assert(
      fc.property(hostile, (raw) => {
        const id = parseId(raw);
        if (id === undefined) return;
        expect(id).toMatch(/^[!-~]{1,128}$/);
        expect((raw as string).replace(/^[ \t]+|[ \t]+$/g, '')).toBe(id);
      }),
      { numRuns: 5_000 },
    );
  });

  it('are a positive safe integer or nothing', () => {
    fc.assert(
      fc.property(fc.oneof(hostile, fc.double(), fc.bigInt().map(String), fc.integer().map(String)), (raw) => {
        const attempt = parseAttempt(raw);
        if (attempt === undefined) return;
        expect(Number.isSafeInteger(attempt)).toBe(true);
        expect(attempt).toBeGreaterThanOrEqual(1);
        expect(String(raw).trim()).toBe(String(attempt));
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('subjects', () => {
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 });
  const nasty = fc.string({ unit: fc.constantFrom('.', '*', '>', '%', '-', ' ', '2', 'D', '\u0000', '\u007f', 'é') });
  const value = fc.oneof(
    text,
    nasty.filter((token) => token !== ''),
  );
  const absentable = fc.option(value, { nil: undefined });

  it('carry any text there and back, in four tokens without a wildcard', () => {
    fc.assert(
      fc.property(absentable, absentable, value, (workflowId, executionId, producer) => {
        const subject = encodeSubject({ workflowId, executionId, producer });
        expect(subject).toMatch(/^auditEvent(\.[!-)+-\-/-=?-~]+){3}$/);
        expect(decodeSubject(subject)).toEqual({
          ...(workflowId !== undefined && { workflowId }),
          ...(executionId !== undefined && { executionId }),
          producer,
        });
      }),
      { numRuns: 5_000 },
    );
  });

  it('are written in one way only: what decodes encodes to itself', () => {
    const token = fc.string({ unit: fc.constantFrom('%', '2', 'D', 'd', 'E', '9', 'a', '-', '*', 'C', '3') });
    fc.assert(
      fc.property(fc.tuple(token, token, token), (tokens) => {
        const subject = `auditEvent.${tokens.join('.')}`;
        const parts = decodeSubject(subject);
        expect(parts === undefined ? subject : encodeSubject(parts)).toBe(subject);
      }),
      { numRuns: 5_000 },
    );
  });

  it('never throw, whatever they are', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (tail) => {
        expect(() => decodeSubject(`auditEvent.${tail}.-.a`)).not.toThrow();
      }),
    );
    expect(encodeToken('\ud800')).toBe('%EF%BF%BD');
    expect(encodeToken('')).toBe('-');
  });

  it('stay far below what a server takes', () => {
    const longest = '\u00e9'.repeat(64);
    const subject = encodeSubject({ workflowId: '.'.repeat(128), executionId: '*'.repeat(128), producer: longest });
    expect(subject.length).toBeLessThanOrEqual(1_165);
  });
});

describe('a producer name', () => {
  it.each([
    '',
    'x'.repeat(129),
    'é'.repeat(65),
    'unknown_service',
    'unknown_service:node',
    '\ud800',
    undefined,
    null,
    7,
  ])('is not %j', (name) => {
    expect(() => checkProducer(name)).toThrow(SpanledgerError);
    expect(() => checkProducer(name)).toThrow(expect.objectContaining({ code: 'SPANLEDGER_PRODUCER' }));
  });

  it.each(['a', 'research-agent', 'x'.repeat(128), 'é'.repeat(64), 'team/agent v2', '😀'])('may be %j', (name) => {
    expect(checkProducer(name)).toBe(name);
  });
});

describe('timestamps', () => {
  it('agree with Date to the millisecond, and sort as text', () => {
    const time = fc.tuple(fc.integer({ min: 0, max: 253_402_300_799 }), fc.integer({ min: 0, max: 999_999_999 }));
    fc.assert(
      fc.property(time, time, (a, b) => {
        const [first, second] = [formatTimestamp(a), formatTimestamp(b)];
        expect(Date.parse(first)).toBe(a[0] * 1000 + Math.floor(a[1] / 1e6));
        if (a[0] < b[0]) expect(first < second).toBe(true);
      }),
    );
  });

  it.each([
    [-1, 0],
    [Number.NaN, 0],
    [253_402_300_800, 0],
    [Infinity, 0],
    [0, -1],
    [0, 1e9],
    [0, Number.NaN],
  ])('refuse [%d, %d]', (seconds, nanos) => {
    expect(() => formatTimestamp([seconds, nanos])).toThrow(RangeError);
  });
});

describe('canonical bytes', () => {
  it.each([{ a: Number.NaN }, { a: Infinity }, { a: '\ud800' }, { '\udc00': 1 }])('refuse %j', (value) => {
    expect(() => canonicalBytes(value)).toThrow(/./);
  });

  it('do not depend on the order of properties', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), (value) => {
        const reversed = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalBytes(reversed)).toEqual(canonicalBytes(value));
      }),
    );
  });
});
