import { expect, it } from 'vitest';
import { encodeUtf8 } from '../src/utf8-slab.ts';

it.each([100, 1_000, 5_000, 20_000, 60_000])('texts of %i bytes hold little more memory than their own', (length) => {
  const held = Array.from({ length: 500 }, () => encodeUtf8('x'.repeat(length)));
  const memory = [...new Set(held.map(({ buffer }) => buffer))].reduce((sum, { byteLength }) => sum + byteLength, 0);
  // A slab is shared with what was encoded before and after.
  expect(memory).toBeLessThan(500 * length * 1.25 + 2 * 65_536);
});

it('texts do not overwrite each other, at any place of a slab and of any width', () => {
  const texts = Array.from({ length: 2_000 }, (_, n) => `${n} ${'xé…😀'[n % 5]?.repeat(n % 3_000)} \ud800`);
  const held = texts.map((text) => encodeUtf8(text));
  expect(held.map((bytes) => new TextDecoder().decode(bytes))).toEqual(texts.map((text) => text.toWellFormed()));
});
