import { expect, it } from 'vitest';
import { outOfDate } from '../../scripts/lib/mutant-ground.mjs';
import { MUTANTS } from './mutants/mutants.mjs';

it.each(MUTANTS)('can still be made: $name', async (mutant) => {
  expect(await outOfDate(mutant)).toBeUndefined();
});
