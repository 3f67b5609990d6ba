import fc from 'fast-check';
import { expect, it } from 'vitest';
import { cleanTrial, tamperTrial } from './trial.mjs';

it('finds every tampering of a signed ledger, at the right event, and nothing where nothing was done', () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      expect(tamperTrial({ count: 130, seed }).missed).toEqual([]);
    }),
    { numRuns: 10 },
  );
});

it('finds nothing in a clean ledger, with restarts, replicas, retries, losses, copies, keys that are rotated, and all of it out of order', () => {
  fc.assert(
    fc.property(fc.nat(), fc.constantFrom(undefined, 'checkpoint', 'event'), (seed, signs) => {
      expect(cleanTrial({ count: 3_000, seed, signs }).alarms).toEqual([]);
    }),
    { numRuns: 10 },
  );
});
