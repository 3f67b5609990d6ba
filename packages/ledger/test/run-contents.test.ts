import { parseEvent } from '@spanledger/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { RunContents } from '../src/verify/run-contents.ts';
import { TestRun } from './history.ts';

it('a whole run is settled in the end, whatever order it came in: nothing waits that could be let go', () => {
  const orders = fc.nat({ max: 30 }).chain((length) => {
    const run = new TestRun().complete(length + 1);
    return fc.shuffledSubarray(run, { minLength: run.length });
  });
  fc.assert(
    fc.property(orders, (order) => {
      const contents = new RunContents(parseEvent(order[0]!.bytes)!);
      order.forEach(({ bytes, hash }, index) => contents.add(parseEvent(bytes)!, hash, index + 1));
      expect(contents.settledSeq).toBe(order.length);
      expect(contents.unsettledSeqs()).toEqual([]);
      expect(contents.isWhole).toBe(true);
    }),
  );
});
