import { expect, it } from 'vitest';
import { gapsAfter, percentile, resumedAfter } from './lib/gaps.mjs';
import { slope } from './lib/slope.mjs';

const TIMES = Float64Array.from([10, 20, 30, 90, 100, 110, 250, 260]);

it('finds the longest time in which nothing was stored, from each fault to the next', () => {
  expect(gapsAfter(TIMES, [25, 95, 105])).toEqual([60, 10, 140]);
});

it('counts a gap that has begun from the fault on, and lets one end after the next fault', () => {
  expect(gapsAfter(TIMES, [40])).toEqual([140]);
  expect(gapsAfter(TIMES, [40, 60])).toEqual([50, 140]);
});

it('takes times in any order', () => {
  expect(gapsAfter(TIMES.toReversed(), [25, 95, 105])).toEqual([60, 10, 140]);
});

it('tells when something was stored again, or never', () => {
  expect(resumedAfter(TIMES, [30, 31, 300])).toEqual([0, 59, Infinity]);
});

it('takes the value that so many are below', () => {
  expect(percentile([5, 1, 4, 2, 3], 0.5)).toBe(3);
  expect(percentile([5, 1, 4, 2, 3], 1)).toBe(5);
  expect(percentile([], 0.5)).toBe(0);
});

it('fits a line', () => {
  expect(slope([1, 2, 3, 4].map((x) => ({ x, y: 3 * x + 7 })))).toBeCloseTo(3);
  expect(slope([{ x: 1, y: 5 }])).toBe(0);
});
