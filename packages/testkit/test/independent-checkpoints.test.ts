import { describe, expect, it } from 'vitest';
import { checkCheckpoints } from '../src/independent-checkpoints.ts';
import { handMade, hashOf } from './hand-made.ts';

const a = handMade('a', ['one', 'two', 'three']);
const b = handMade('b', ['one', 'two']);
const claim = (runId: string, run: readonly Buffer[], seq = run.length) => ({
  run_id: runId,
  last_seq: seq,
  head_hash: hashOf(run[seq - 1]!),
});
const checkpoint = (runs: readonly object[], more = {}) => ({ event: 'audit_checkpoint', fields: { runs, ...more } });
const final = { final: true };

describe('what a ledger says of itself', () => {
  it('is accepted where it is true and complete', () => {
    const [first, last] = handMade('i', [checkpoint([claim('a', a, 2)]), checkpoint([claim('a', a)], final)]);
    expect(checkCheckpoints([a[0]!, a[1]!, first!, { bytes: a[2]! }, a[1]!, last!])).toEqual([]);
  });

  it('may leave out the last checkpoints, and nothing before them', () => {
    const events = ['work', 'work', checkpoint([]), checkpoint([], final)];
    const [, second] = handMade('i', events);
    const head = { run_id: 'i', last_seq: 2, head_hash: hashOf(second!) };
    expect(checkCheckpoints(handMade('i', [...events.slice(0, 2), checkpoint([head]), checkpoint([], final)]))).toEqual(
      [],
    );
    expect(checkCheckpoints(handMade('i', events))).toEqual(['i is named up to 0, and goes up to 2']);
  });

  const whole = checkpoint([claim('a', a)], final);
  it.each([
    [
      'what comes later',
      (i: Buffer[]) => [a[0]!, a[1]!, ...i, a[2]!],
      [whole],
      'i:1 names a:3, and not all up to there',
    ],
    ['a run that is not there', (i: Buffer[]) => i, [whole], 'i:1 names a:3, and not all up to there'],
    [
      'what has a hole before it',
      (i: Buffer[]) => [a[0]!, a[2]!, ...i],
      [whole],
      'i:1 names a:3, and not all up to there',
    ],
    [
      'another hash',
      (i: Buffer[]) => [...a, ...i],
      [checkpoint([{ ...claim('a', a), head_hash: hashOf(b[0]!) }], final)],
      'i:1 names a:3 with another hash',
    ],
    [
      'the run of another producer',
      (i: Buffer[]) => [...handMade('a', ['one'], 'q'), ...i],
      [checkpoint([claim('a', handMade('a', ['one'], 'q'))], final)],
      'i:1 names a:1, which is of q',
    ],
    [
      'too little',
      (i: Buffer[]) => [...a, ...i],
      [checkpoint([claim('a', a, 2)], final)],
      'a is named up to 2, and goes up to 3',
    ],
    ['a run less', (i: Buffer[]) => [...a, ...b, ...i], [whole], 'b is named up to 0, and goes up to 2'],
    [
      'no end',
      (i: Buffer[]) => [...a, ...i],
      [checkpoint([claim('a', a)])],
      'i does not end with the final checkpoint',
    ],
    [
      'an end before its end',
      (i: Buffer[]) => [...a, ...i],
      [whole, checkpoint([])],
      'i does not end with the final checkpoint',
    ],
    [
      'a predecessor that is not there',
      (i: Buffer[]) => [...a, ...i],
      [checkpoint([claim('a', a)], { ...final, predecessor: claim('b', b) })],
      'i:1 names b:2, and not all up to there',
    ],
  ])('is refused where it names %s', (_, ledger, events, problem) => {
    // What is false names nothing, so something may be missing as well.
    expect(checkCheckpoints(ledger(handMade('i', events)))[0]).toContain(problem);
  });

  it('need not be complete for what was killed, but true', () => {
    const [lie] = handMade('i', [checkpoint([{ ...claim('a', a, 1), head_hash: hashOf(a[1]!) }])]);
    expect(checkCheckpoints([...a, lie!], new Set(['a', 'i']))).toEqual([expect.stringContaining('another hash')]);
    expect(checkCheckpoints([...a], new Set(['a']))).toEqual([]);
  });

  it('names the end of an abandoned run', () => {
    const abandoned = (seq: number) => handMade('n', [{ event: 'run_abandoned', fields: claim('a', a, seq) }]);
    const killed = new Set(['a', 'n']);
    expect(checkCheckpoints([...a, ...abandoned(3)], killed)).toEqual([]);
    expect(checkCheckpoints([...a, ...abandoned(2)], killed)).toEqual(['a was abandoned at 2, and ends at 3']);
  });
});
