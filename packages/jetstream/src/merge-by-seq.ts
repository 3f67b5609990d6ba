import type { LedgerRecord } from '@spanledger/protocol';

type Records = AsyncGenerator<LedgerRecord, void, void>;

/** Merges sources that are each in ascending order of their stream sequence, and have no record in common. */
export async function* mergeBySeq(sources: readonly Records[]): Records {
  try {
    const heads = await Promise.all(sources.map((source) => source.next()));
    for (;;) {
      const index = lowest(heads);
      const head = heads[index];
      if (head === undefined || head.done) return;
      yield head.value;
      heads[index] = await sources[index]!.next();
    }
  } finally {
    await Promise.all(sources.map((source) => source.return()));
  }
}

/** Index of the head with the lowest sequence; -1 when all sources have ended. */
function lowest(heads: readonly IteratorResult<LedgerRecord, void>[]): number {
  let best = -1;
  let bestSeq = Infinity;
  for (const [index, head] of heads.entries()) {
    if (head.done || head.value.streamSeq >= bestSeq) continue;
    best = index;
    bestSeq = head.value.streamSeq;
  }
  return best;
}
