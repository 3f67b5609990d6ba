import { describe, expect, it } from 'vitest';
import { assertLedger, checkLedger, readNdjson } from '../src/independent-reader.ts';
import { handMade } from './hand-made.ts';

const a = handMade('a', ['one', 'two', 'three']);
const b = handMade('b', ['one', 'two']);

describe('the independent reader', () => {
  it('accepts whole runs in any order, and counts copies', () => {
    const whole = { producers: ['p'], contiguous: true, chained: true };
    expect(assertLedger([a[2]!, b[0]!, a[0]!, a[0]!, { bytes: b[1]! }, a[1]!])).toEqual([
      { ...whole, runId: 'a', events: 3, duplicates: 1, names: ['one', 'two', 'three'] },
      { ...whole, runId: 'b', events: 2, duplicates: 0, names: ['one', 'two'] },
    ]);
  });

  it.each([
    ['a hole', [a[0]!, a[2]!], { contiguous: false, chained: false }],
    ['a missing start', [a[1]!, a[2]!], { contiguous: false, chained: false }],
    [
      'an edit',
      [a[0]!, Buffer.from(a[1]!.toString().replace('two', 'TWO')), a[2]!],
      { contiguous: true, chained: false },
    ],
    ['two contents', [...a, Buffer.from(a[1]!.toString().replace('two', 'TWO'))], { contiguous: false }],
  ])('refuses %s', (_, lines, expected) => {
    expect(checkLedger(lines)).toMatchObject([expected]);
    expect(() => assertLedger(lines)).toThrow('does not verify');
  });

  it('reads NDJSON line by line, byte by byte, and refuses a torn end', () => {
    const file = Buffer.concat(a.flatMap((line) => [line, Buffer.from('\n')]));
    expect(readNdjson(file).map(String)).toEqual(a.map(String));
    expect(readNdjson(new Uint8Array())).toEqual([]);
    expect(() => readNdjson(file.subarray(0, -1))).toThrow('unfinished');
  });
});
