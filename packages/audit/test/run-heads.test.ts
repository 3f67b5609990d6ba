import { createChain, seal } from '@spanledger/protocol';
import { describe, expect, it } from 'vitest';
import { RunHeads } from '../src/delivery/run-heads.ts';
import { draft } from './journaled-pipeline.ts';
import { sha256 } from './support.ts';

const EVENTS = 60;

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => [Math.random(), item] as const)
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

describe('the head of a run', () => {
  it('is the last stored event before which all have their outcome, in whatever order those come', () => {
    for (let round = 0; round < 200; round += 1) {
      const heads = new RunHeads();
      const chain = createChain(crypto.randomUUID());
      const events = Array.from({ length: EVENTS }, () =>
        seal(chain, draft('tool_exec'), 'auditEvent.-.-.svc', sha256),
      );
      const outcomes = new Map<number, boolean>();
      const head = (): number => {
        let seq = 0;
        for (let n = 1; outcomes.has(n); n += 1) if (outcomes.get(n)) seq = n;
        return seq;
      };
      // Half of them come when some of the others are settled.
      const [early, late] = [events.slice(0, EVENTS / 2), events.slice(EVENTS / 2)];
      const first = early.map((event) => heads.sent(event));
      const [now, later] = [shuffled(first).slice(0, 20), new Set(first)];
      for (const sent of now) later.delete(sent);
      const settle = (sent: (typeof first)[number]): void => {
        const isStored = Math.random() < 0.8;
        outcomes.set(sent.seq, isStored);
        heads.settled(sent, isStored);
        const seq = head();
        expect(heads.of(chain.runId)).toEqual(
          seq === 0 ? undefined : { runId: chain.runId, seq, hash: events[seq - 1]!.hash },
        );
      };
      now.forEach(settle);
      shuffled([...later, ...late.map((event) => heads.sent(event))]).forEach(settle);
    }
  });
});
