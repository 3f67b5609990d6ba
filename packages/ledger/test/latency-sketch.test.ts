import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LatencySketch } from '../src/rollup/latency-sketch.ts';
import { nearestRank } from './rollup-model.ts';

function sketchOf(durations: readonly unknown[]): LatencySketch {
  const sketch = new LatencySketch();
  for (const duration of durations) sketch.add(duration);
  return sketch;
}

const duration = fc.oneof(fc.nat(60), fc.nat(100_000), fc.maxSafeNat());

describe('LatencySketch', () => {
  it('is within one per cent and half a millisecond of the true percentile', () => {
    fc.assert(
      fc.property(fc.array(duration, { minLength: 1, maxLength: 300 }), (durations) => {
        const { count, p50Ms, p90Ms, p99Ms, maxMs } = sketchOf(durations).summary()!;
        expect([count, maxMs]).toEqual([durations.length, Math.max(...durations)]);
        for (const [share, said] of [
          [0.5, p50Ms],
          [0.9, p90Ms],
          [0.99, p99Ms],
        ] as const) {
          const truth = nearestRank(durations, share);
          // The last term is the error of doubles, at numbers where they have no halves.
          expect(Math.abs(said - truth)).toBeLessThanOrEqual((truth < 50 ? 0 : truth * 0.01 + 0.5) + truth * 1e-12);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('is exact for each single duration below 50 ms', () => {
    for (let ms = 0; ms < 50; ms += 1) expect(sketchOf([ms, ms, 1_000]).summary()?.p50Ms).toBe(ms);
  });

  it('passes over what is no duration, and says nothing of nothing', () => {
    expect(sketchOf([-1, 0.5, '3', null, Number.NaN, Infinity, 2 ** 53]).summary()).toBeUndefined();
  });
});
