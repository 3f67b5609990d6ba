import { parseEvent } from '@spanledger/protocol';
import type { AuditEvent } from '@spanledger/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AttemptIndex } from '../src/index.ts';
import { deliveries } from './rewind-history.ts';
import { isSupersededIn } from './rewind-model.ts';

type Claim = Pick<AuditEvent, 'run_id'> & Partial<AuditEvent>;

function indexOf(...events: readonly Claim[]): AttemptIndex {
  const index = new AttemptIndex();
  for (const event of events) index.see(event);
  return index;
}

const inExecution = { run_id: 'r1', workflow_execution_id: 'e1' };

function of(step: string, epoch: number, more: object = {}): Claim {
  return { ...inExecution, event: 'tool_exec', step_id: step, attempt_epoch: epoch, ...more };
}

function started(step: string, epoch: number, parent?: readonly [string, number]): Claim {
  const fields = parent && { fields: { parent: { step_id: parent[0], attempt_epoch: parent[1] } } };
  return of(step, epoch, { event: 'workflow_step_started', ...fields });
}

function rewind(step: string, epoch: number): Claim {
  const fields = { step, new_epoch: epoch, superseded_after_event_id: 'r1:7' };
  return { ...inExecution, event: 'stream_rewind', fields };
}

describe('what supersedes an attempt', () => {
  it('is any event of a higher epoch of its step, and of no other step', () => {
    const index = indexOf(of('plan', 1), of('plan', 2, { run_id: 'r2' }));
    expect(index.isSuperseded(of('plan', 1))).toBe(true);
    expect(index.isSuperseded(of('plan', 2))).toBe(false);
    expect(index.isSuperseded(of('apply', 1))).toBe(false);
    expect(index.isSuperseded({ ...inExecution, event: 'workflow_started' })).toBe(false);
  });

  it.each([
    ['before', [rewind('plan', 2), of('plan', 1), of('plan', 2)]],
    ['after', [of('plan', 1), of('plan', 2), rewind('plan', 2)]],
    ['twice', [of('plan', 1), rewind('plan', 2), rewind('plan', 2), of('plan', 2)]],
    ['alone', [rewind('plan', 2)]],
    ['not at all', [of('plan', 1), of('plan', 2)]],
  ])('is the same where its marker comes %s', (_, events) => {
    const index = indexOf(...events);
    expect(index.isSuperseded(of('plan', 1))).toBe(true);
    expect(index.isSuperseded(of('plan', 2))).toBe(false);
  });

  it('takes a marker for an event of the attempt that it announces', () => {
    const index = indexOf(rewind('plan', 2), rewind('plan', 3));
    expect(index.isSuperseded(rewind('plan', 2))).toBe(true);
    expect(index.isSuperseded(rewind('plan', 3))).toBe(false);
  });

  it('is a later attempt of a step around it, however far out, also where the new one never enters it', () => {
    const index = indexOf(
      started('part', 1, ['outer', 1]),
      started('outer', 1, ['outermost', 1]),
      started('other', 1, ['outermost', 2]),
      of('outermost', 2),
    );
    for (const step of ['part', 'outer', 'outermost']) expect(index.isSuperseded(of(step, 1))).toBe(true);
    expect(index.isSuperseded(of('part', 2))).toBe(false);
    expect(index.isSuperseded(of('other', 1))).toBe(false);
  });

  it('is known as late as its beginning is read', () => {
    const index = indexOf(of('part', 1), of('outer', 2));
    expect(index.isSuperseded(of('part', 1))).toBe(false);
    expect(index.see(started('part', 1, ['outer', 1]))).toEqual([{ stepId: 'part', epoch: 1 }]);
    expect(index.isSuperseded(of('part', 1))).toBe(true);
  });

  it('is in the same execution; without one, in the same run', () => {
    const ofRun = (run_id: string, epoch: number): Claim => ({ run_id, step_id: 'plan', attempt_epoch: epoch });
    const index = indexOf(of('plan', 2), ofRun('r9', 2), of('plan', 2, { workflow_execution_id: 'r7' }));
    expect(index.isSuperseded(of('plan', 1, { workflow_execution_id: 'e2' }))).toBe(false);
    expect(index.isSuperseded(ofRun('r9', 1))).toBe(true);
    expect(index.isSuperseded(ofRun('r1', 1))).toBe(false);
    expect(index.isSuperseded(ofRun('r7', 1))).toBe(false);
  });

  it('is told once, when it becomes known', () => {
    const index = indexOf(started('part', 1, ['outer', 1]));
    expect(index.see(rewind('outer', 3))).toEqual([
      { stepId: 'outer', epoch: 2 },
      { stepId: 'part', epoch: 1 },
    ]);
    for (const event of [rewind('outer', 3), of('outer', 3), of('outer', 1), started('part', 1, ['outer', 1])]) {
      expect(index.see(event)).toEqual([]);
    }
  });
});

it('answers as the plan of any history has it, in whatever order and however often its events come', () => {
  fc.assert(
    fc.property(deliveries, ({ records, live }) => {
      const index = indexOf(...records.map(({ bytes }) => parseEvent(bytes)!));
      expect(records.filter(({ bytes }) => !index.isSuperseded(parseEvent(bytes)!))).toEqual(live);
    }),
    { numRuns: 500 },
  );
});

it('answers as the rule has it, whatever events claim, and tells each change when it comes', () => {
  const step = fc.constantFrom('a', 'b', 'c', '__proto__');
  const epoch = fc.integer({ min: 1, max: 4 });
  const parent = fc.record({ step_id: step, attempt_epoch: epoch });
  const claim = fc.record({
    run_id: fc.constantFrom('r1', 'r2'),
    workflow_execution_id: fc.constantFrom(undefined, 'e1', 'r1'),
    event: fc.constantFrom('workflow_step_started', 'stream_rewind', 'tool_exec'),
    step_id: fc.oneof(step, fc.constant(undefined)),
    attempt_epoch: epoch,
    fields: fc.oneof(
      fc.record({ parent }),
      fc.record({ step, new_epoch: epoch }),
      fc.constantFrom(
        undefined,
        null,
        'x',
        { parent: null },
        { parent: { step_id: 1 } },
        { step: 'a', new_epoch: 0.5 },
      ),
    ),
  });
  fc.assert(
    fc.property(fc.array(claim, { maxLength: 12 }), (claims) => {
      // Scopes are told apart by their kind, which the model does not do.
      const events = claims.map((one) => ({ ...one, run_id: `run-${one.run_id}` })) as unknown as AuditEvent[];
      const index = new AttemptIndex();
      for (const [n, event] of events.entries()) {
        const before = events.map((one) => index.isSuperseded(one));
        const told = index.see(event);
        const changed = events.some((one, at) => index.isSuperseded(one) !== before[at]);
        if (changed) expect(told).not.toEqual([]);
        if (n === events.length - 1) {
          for (const one of events) expect(index.isSuperseded(one)).toBe(isSupersededIn(events, one));
        }
      }
    }),
    { numRuns: 2_000 },
  );
});

describe('what is hostile', () => {
  it('is passed over where it has no sense', () => {
    const odd = [NaN, 0, -1, 1.5, Infinity, 2 ** 53, '2', null, {}, [2]];
    const index = indexOf(...odd.map((epoch) => of('plan', epoch as number)));
    index.see(of('s'.repeat(257), 2));
    index.see(of('plan', 2, { workflow_execution_id: 'e'.repeat(257), run_id: 'r'.repeat(257) }));
    expect(index.isSuperseded(of('plan', 1))).toBe(false);
    expect(index.isSuperseded(of('s'.repeat(257), 1))).toBe(false);
    expect(index.see(of('plan', 2 ** 53 - 1))).toEqual([{ stepId: 'plan', epoch: 2 ** 53 - 2 }]);
  });

  it('costs no stack, and not more than once, however deep it is nested', () => {
    const depth = 50_000;
    const index = indexOf(...Array.from({ length: depth }, (_, n) => started(`s${n + 1}`, 1, [`s${n}`, 1])));
    expect(index.see(of('s0', 2))).toHaveLength(depth + 1);
    expect(index.isSuperseded(of(`s${depth}`, 1))).toBe(true);
  });

  it('comes to an end in circles', () => {
    const index = indexOf(started('a', 1, ['b', 1]), started('b', 1, ['a', 1]), started('c', 1, ['c', 1]));
    for (const step of ['a', 'b', 'c']) expect(index.isSuperseded(of(step, 1))).toBe(false);
    index.see(of('b', 2));
    expect(['a', 'b', 'c'].map((step) => index.isSuperseded(of(step, 1)))).toEqual([true, true, false]);
  });
});

describe('what is held', () => {
  it('is nothing for steps that were tried once, outside of any other', () => {
    const index = new AttemptIndex({ heldMax: 0 });
    for (let n = 0; n < 100; n += 1) index.see(of(`s${n}`, 1));
    expect(index.forgotten).toBe(0);
  });

  it('is bounded: what nothing was learnt of for longest is forgotten, and then shown', () => {
    const index = new AttemptIndex({ heldMax: 6 });
    const inOther = (id: string, step: string, epoch: number): Claim => of(step, epoch, { workflow_execution_id: id });
    for (const id of ['x', 'y', 'z']) index.see(inOther(id, 'plan', 2));
    index.see(inOther('x', 'plan', 3));
    expect(index.forgotten).toBe(0);
    index.see(inOther('z', 'apply', 2));
    expect(index.forgotten).toBe(1);
    expect(['x', 'y', 'z'].map((id) => index.isSuperseded(inOther(id, 'plan', 1)))).toEqual([true, false, true]);
    // One execution alone is too much as well.
    for (let n = 0; n < 100; n += 1) index.see(inOther('big', `s${n}`, 2));
    expect(index.forgotten).toBeGreaterThan(3);
    index.see(inOther('y', 'plan', 2));
    expect(index.isSuperseded(inOther('y', 'plan', 1))).toBe(true);
  });

  it('does not grow with attempts: what was begun in a superseded one is let go', () => {
    const index = new AttemptIndex({ heldMax: 10 });
    for (let epoch = 1; epoch < 100; epoch += 1) index.see(started('part', epoch, ['outer', epoch]));
    expect(index.forgotten).toBe(0);
    for (let epoch = 1; epoch < 100; epoch += 1) index.see(started(`part-${epoch}`, 1, ['outer', 100]));
    expect(index.forgotten).toBeGreaterThan(0);
  });

  it('does not grow with copies', () => {
    const index = new AttemptIndex({ heldMax: 10 });
    for (let n = 0; n < 100; n += 1) {
      index.see(started('part', 1, ['outer', 1]));
      index.see(started('part', 2, ['outer', 1]));
    }
    index.see(of('outer', 2));
    expect(index.forgotten).toBe(0);
    expect(index.isSuperseded(of('part', 2))).toBe(true);
  });
});
