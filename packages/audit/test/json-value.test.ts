import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boundText } from '@spanledger/otel/internal';
import { FIELD_LIMITS, toFields } from '../src/json-value.ts';

const throwing = new Proxy(
  {},
  new Proxy(
    {},
    {
      get: () => () => {
        throw new Error('trap');
      },
    },
  ),
);

describe('toFields', () => {
  it('keeps plain JSON as it is', () => {
    const input = {
      a: 'x',
      n: 1.5,
      zero: 0,
      yes: true,
      no: false,
      list: [1, 'b', false],
      nested: { deep: { er: 'y' } },
    };
    expect(toFields(input)).toEqual(input);
  });

  it('writes a negative zero as JSON does', () => {
    expect(toFields({ zero: -0, list: [-0] })).toEqual({ zero: 0, list: [0] });
  });

  it('leaves out what is absent, and keeps the places of an array', () => {
    expect(
      toFields({
        null: null,
        undef: undefined,
        empty: '',
        object: {},
        array: [],
        fn: () => 1,
        sym: Symbol('s'),
        inner: { a: null, b: { c: {} } },
        kept: [null, false, '', {}, 1],
      }),
    ).toEqual({ kept: ['', false, '', '', 1] });
    expect(toFields({ a: null })).toBeUndefined();
    expect(toFields(undefined)).toBeUndefined();
    expect(toFields(null as never)).toBeUndefined();
    expect(toFields('text' as never)).toBeUndefined();
  });

  it('says as text what JSON has no number for', () => {
    expect(
      toFields({ big: 2n ** 70n, huge: 1n << 2000n, unsafe: 2 ** 60, safe: 2 ** 53 - 1, nan: NaN, inf: -Infinity }),
    ).toEqual({
      big: '1180591620717411303424',
      huge: '[bigint too large]',
      unsafe: '1152921504606846976',
      safe: 9007199254740991,
      nan: 'NaN',
      inf: '-Infinity',
    });
  });

  it('keeps what went wrong, and the text of a regular expression', () => {
    const refused = Object.assign(new RangeError('boom'), { code: 'ECONNREFUSED' });
    const error = { name: 'RangeError', message: 'boom', code: 'ECONNREFUSED' };
    const foreign: unknown = runInNewContext('new Error("elsewhere")');
    const aborted = AbortSignal.abort().reason as Error;
    expect(toFields({ refused, list: [new Error('no')], pattern: /a+/gi, foreign, aborted })).toEqual({
      refused: error,
      list: [{ name: 'Error', message: 'no' }],
      pattern: '/a+/gi',
      foreign: { name: 'Error', message: 'elsewhere' },
      aborted: { name: 'AbortError', message: aborted.message },
    });
    expect(toFields(refused as never)).toEqual(error);
    const long = toFields({ error: new Error('x'.repeat(100_000)) }) as { error: { message: string } };
    expect(long.error.message).toBe(`${'x'.repeat(1024)}…[truncated:98976]`);
    const hostile = Object.defineProperty(new Error('x'), 'message', { get: () => expect.fail('read') });
    expect(toFields({ hostile })).toEqual({ hostile: { name: 'Error', message: '[unreadable]' } });
  });

  it('takes a text out of its box, where no secret would be found in it', () => {
    expect(
      toFields({ text: new String('ab'), number: new Number(1), big: Object(2n), no: new Boolean(false) }),
    ).toEqual({
      text: 'ab',
      number: 1,
      big: '2',
      no: false,
    });
  });

  it('asks toJSON, and gives the size of binary data', () => {
    expect(
      toFields({
        date: new Date(0),
        bad: new Date(NaN),
        url: new URL('https://example.com/a'),
        buffer: Buffer.alloc(5_000_000),
        view: new Uint16Array(3),
        raw: new ArrayBuffer(7),
      }),
    ).toEqual({
      date: '1970-01-01T00:00:00.000Z',
      url: 'https://example.com/a',
      buffer: '[bytes:5000000]',
      view: '[bytes:6]',
      raw: '[bytes:7]',
    });
  });

  it('marks cycles, but not the same object seen twice', () => {
    const cyclic: Record<string, unknown> = { name: 'a' };
    cyclic['self'] = cyclic;
    cyclic['list'] = [cyclic];
    const twin = { x: 1 };
    expect(toFields({ cyclic, a: twin, b: twin })).toEqual({
      cyclic: { name: 'a', self: '[cyclic]', list: ['[cyclic]'] },
      a: { x: 1 },
      b: { x: 1 },
    });
  });

  it('survives what throws when it is read', () => {
    const getter = Object.defineProperty({ ok: 1 }, 'bad', {
      enumerable: true,
      get: () => {
        throw new Error('getter');
      },
    });
    expect(toFields({ getter, throwing, list: [throwing, 2] })).toEqual({
      getter: { ok: 1, bad: '[unreadable]' },
      throwing: '[unreadable]',
      list: ['[unreadable]', 2],
    });
    expect(toFields(throwing)).toEqual({ '…': '[unreadable]' });
  });

  it('lets no __proto__ through', () => {
    const fields = toFields(JSON.parse('{"__proto__":{"polluted":1},"in":{"__proto__":{"polluted":1},"a":1}}'));
    expect(JSON.stringify(fields)).toBe('{"in":{"a":1}}');
    expect(Object.getPrototypeOf(fields)).toBe(Object.prototype);
  });

  it('cuts strings with a mark, and never through a surrogate pair', () => {
    expect(boundText('abcdef', 4)).toBe('abcd…[truncated:2]');
    expect(boundText('abc😀', 4)).toBe('abc…[truncated:2]');
    expect(boundText('a\ud800b', 4)).toBe('a\uFFFDb');
    expect(toFields({ a: 'x'.repeat(10_000_000) })).toEqual({ a: `${'x'.repeat(1024)}…[truncated:9998976]` });
  });

  it('cuts wide, deep and many', () => {
    let deep: unknown = 1;
    for (let i = 0; i < 20_000; i += 1) deep = [deep];
    expect(JSON.stringify(toFields({ deep }))).toBe('{"deep":[[[[[["[too deep]"]]]]]]}');
    const wide = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, i]));
    expect(Object.keys(toFields(wide)!)).toHaveLength(FIELD_LIMITS.itemsMax + 1);
    expect(toFields(wide)!['…']).toBe('…[truncated:36]');
    expect(toFields({ list: new Array(4_000_000_000) })!['list']).toHaveLength(FIELD_LIMITS.itemsMax + 1);
  });

  it('makes objects of maps and arrays of sets, and cuts them too', () => {
    const map = new Map<unknown, unknown>([
      ['a', new Set(['x', new Map([[1, 'y']])])],
      [Symbol('s'), null],
      [{}, 2n],
    ]);
    expect(toFields({ map, none: new Map(), nobody: new Set() })).toEqual({
      map: { a: ['x', { '1': 'y' }], '[object Object]': '2' },
    });
    expect(toFields({ map: new Map([['__proto__', { polluted: true }]]) })).toBeUndefined();
    const many = Array.from({ length: 100 }, (_, i) => i);
    const cut = toFields({ map: new Map(many.map((i) => [i, i])), set: new Set(many) })!;
    expect(Object.keys(cut['map']!)).toHaveLength(FIELD_LIMITS.itemsMax + 1);
    expect(cut).toMatchObject({ map: { '…': '…[truncated:36]' }, set: expect.arrayContaining(['…[truncated:36]']) });
    const cyclic = new Map<string, unknown>();
    cyclic.set('self', new Set([cyclic]));
    expect(toFields({ cyclic })).toEqual({ cyclic: { self: ['[cyclic]'] } });
    // No list is as long, and one that is nearly takes minutes to go through.
    const vast = Object.defineProperty(new Map([['a', 1]]), 'size', { value: 2 ** 32 });
    expect(toFields({ vast })).toEqual({ vast: { a: 1, '…': '…[truncated:4294967295]' } });
    const key = Object.create(null) as object;
    expect(toFields({ odd: new Map([[key, 1]]), a: 1 })).toEqual({ odd: '[unreadable]', a: 1 });
  });

  it('bounds the whole, whatever its shape', () => {
    const bush = (level: number): unknown =>
      level === 0 ? 'leaf'.repeat(1000) : Array.from({ length: 64 }, () => bush(level - 1));
    const text = JSON.stringify(toFields({ bush: bush(3) }));
    expect(text.length).toBeLessThan(2 * FIELD_LIMITS.totalMax);
  });

  it('never throws, and answers with bounded, well-formed JSON without absent values', () => {
    const junk = fc.anything({
      withBigInt: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withTypedArray: true,
      withNullPrototype: true,
      withObjectString: true,
      withSparseArray: true,
      withUnicodeString: true,
      maxDepth: 8,
    });
    const string = fc.string({ unit: 'binary', maxLength: 2000 });
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(string, fc.constant('__proto__')), fc.oneof(junk, string)), (input) => {
        const fields = toFields(input);
        const text = JSON.stringify(fields ?? {});
        expect(JSON.parse(text)).toEqual(fields ?? {});
        expect(text.length).toBeLessThan(8 * FIELD_LIMITS.totalMax);
        if (fields) check(fields, false);
      }),
      { numRuns: 500 },
    );
  });
});

/** The contract of what `toFields` returns, written a second time. */
function check(value: unknown, inArray: boolean): void {
  expect(value).not.toBeNull();
  if (typeof value === 'string') {
    expect(value).not.toMatch(/\p{Surrogate}/u);
    if (!inArray) expect(value).not.toBe('');
  } else if (typeof value === 'object' && value !== null) {
    expect(Object.keys(value)).not.toHaveLength(0);
    expect(Object.keys(value)).not.toContain('__proto__');
    for (const child of Object.values(value)) check(child, Array.isArray(value));
  }
}
