import { setTimeout as delay } from 'node:timers/promises';
import { DiagLogLevel, context, diag } from '@opentelemetry/api';
import { isTracingSuppressed } from '@opentelemetry/core';
import type { AttemptStore } from '@spanledger/protocol';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { workflow } from '../src/index.ts';
import { AttemptCounter } from '../src/workflow/attempt-counter.ts';
import type { Claim } from '../src/workflow/attempt-counter.ts';
import { MemoryAttemptStore } from '../src/workflow/memory-attempt-store.ts';
import { eventually } from './support.ts';
import { newExecution, rewindsIn, useWorkflowLedger } from './workflow-ledger.ts';

const newLedger = useWorkflowLedger();
const KEY = { executionId: 'ex', stepId: 'a' };
const EVENT = '018f0000-0000-7000-8000-000000000000:1';
const FIRST = { last: undefined, atLeast: 1 };

/** A process of its own, as far as counting is concerned. */
const counterOf = (store?: AttemptStore): AttemptCounter => new AttemptCounter(store, new MemoryAttemptStore());

/** What one run does, one after the other: attempts that it asks for. */
const lane = fc.array(fc.record({ wanted: fc.integer({ min: 1, max: 6 }), notes: fc.boolean() }), { maxLength: 4 });
type Lane = readonly { readonly wanted: number; readonly notes: boolean }[];

/** All attempts of a run, in order. */
async function claimAll(counter: AttemptCounter, claims: Lane, starts: Map<string, number>): Promise<number[]> {
  const epochs: number[] = [];
  for (const { wanted, notes } of claims) {
    const claim = await counter.claim(KEY, { last: undefined, atLeast: wanted });
    expect(claim.epoch).toBeGreaterThanOrEqual(wanted);
    if (claim.supersededStart !== undefined) expect(starts.get(claim.supersededStart)).toBeLessThan(claim.epoch);
    epochs.push(claim.epoch);
    const id = `018f0000-0000-7000-8000-000000000000:${starts.size + 1}`;
    starts.set(id, claim.epoch);
    if (notes) claim.started(id);
  }
  expect(epochs).toEqual([...epochs].sort((one, other) => one - other));
  return epochs;
}

describe('counting', () => {
  it('never gives a number twice, however runs in several processes interleave, and grows in each', async () => {
    const processes = fc.array(fc.array(lane, { minLength: 1, maxLength: 2 }), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), processes, async (scheduler, all) => {
        const shared = new MemoryAttemptStore();
        const turn = () => scheduler.schedule(Promise.resolve());
        const store: AttemptStore = {
          name: 'scheduled',
          read: (key) => turn().then(() => shared.read(key)),
          write: (...given) => turn().then(() => shared.write(...given)),
        };
        const starts = new Map<string, number>();
        const work = all.flatMap((lanes) => {
          const counter = counterOf(store);
          return lanes.map((claims) => claimAll(counter, claims, starts));
        });
        const [epochs] = await Promise.all([Promise.all(work), scheduler.waitFor(Promise.all(work))]);
        expect(new Set(epochs.flat()).size).toBe(epochs.flat().length);
        expect(shared.read(KEY).record?.epoch ?? 0).toBe(Math.max(0, ...epochs.flat()));
      }),
      { numRuns: 100 },
    );
  });

  it('never gives a number twice in a process that counts alone when the store fails, written or not', async () => {
    const outcomes = fc.array(fc.constantFrom('answers', 'fails', 'fails afterwards'), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.array(lane, { maxLength: 4 }), outcomes, async (scheduler, lanes, plan) => {
        const shared = new MemoryAttemptStore();
        const ask = async <T>(answer: () => T): Promise<T> => {
          const outcome = plan.shift() ?? 'answers';
          await scheduler.schedule(Promise.resolve());
          if (outcome === 'fails') throw new Error('no server');
          const answered = answer();
          if (outcome === 'fails afterwards') throw new Error('no answer');
          return answered;
        };
        const counter = counterOf({
          name: 'failing',
          onUnavailable: 'memory',
          read: (key) => ask(() => shared.read(key)),
          write: (...given) => ask(() => shared.write(...given)),
        });
        const starts = new Map<string, number>();
        const work = lanes.map((claims) => claimAll(counter, claims, starts));
        const [epochs] = await Promise.all([Promise.all(work), scheduler.waitFor(Promise.all(work))]);
        expect(new Set(epochs.flat()).size).toBe(epochs.flat().length);
      }),
      { numRuns: 100 },
    );
  });

  it('hands on the start of the attempt before, from one process to the next', async () => {
    const store = new MemoryAttemptStore();
    const first = await counterOf(store).claim(KEY, FIRST);
    first.started(EVENT);
    const second = await counterOf(store).claim(KEY, FIRST);
    expect(second).toMatchObject({ epoch: 2, supersededStart: EVENT });
    expect(await counterOf(store).claim(KEY, FIRST)).toMatchObject({ epoch: 3, supersededStart: undefined });
    // Too late: nobody supersedes it any more.
    second.started(EVENT);
    await delay(0);
    expect(store.read(KEY).record).toEqual({ epoch: 3 });
  });

  it('is not taken back by a store that has forgotten', async () => {
    const stores = [new MemoryAttemptStore(), new MemoryAttemptStore()];
    let days = 0;
    const counter = counterOf({
      name: 'expiring',
      read: (key) => stores[days]!.read(key),
      write: (...given) => stores[days]!.write(...given),
    });
    expect(await counter.claim(KEY, FIRST)).toMatchObject({ epoch: 1 });
    days = 1;
    expect(await counter.claim(KEY, FIRST)).toMatchObject({ epoch: 2 });
  });

  it('never traces what it asks a store', async () => {
    const suppressed: boolean[] = [];
    const store = new MemoryAttemptStore();
    const note = <T>(value: T): T => {
      suppressed.push(isTracingSuppressed(context.active()));
      return value;
    };
    const watched: AttemptStore = {
      name: 'watched',
      read: (key) => note(store.read(key)),
      write: (...given) => note(store.write(...given)),
    };
    (await counterOf(watched).claim(KEY, FIRST)).started(EVENT);
    expect(suppressed).toEqual([true, true, true]);
  });
});

describe('a store that is not available', () => {
  const away = (onUnavailable?: 'error' | 'memory') => {
    const store = new MemoryAttemptStore();
    const state = { up: false, asked: 0 };
    const ask = async <T>(answer: () => T): Promise<T> => {
      state.asked += 1;
      if (!state.up) throw new Error('no server');
      return answer();
    };
    const unreliable: AttemptStore = {
      name: 'unreliable',
      ...(onUnavailable && { onUnavailable }),
      read: (key) => ask(() => store.read(key)),
      write: (...given) => ask(() => store.write(...given)),
    };
    return { store, unreliable, state };
  };
  const warnings: string[] = [];
  beforeAll(() => {
    const ignore = (): void => {};
    diag.setLogger(
      {
        error: ignore,
        info: ignore,
        debug: ignore,
        verbose: ignore,
        warn: (...message) => void warnings.push(message.join(' ')),
      },
      { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
    );
  });
  afterEach(() => {
    warnings.length = 0;
    vi.useRealTimers();
  });
  afterAll(() => diag.disable());

  it('is an error before anything of the attempt is recorded, and the step can be entered again', async () => {
    const { unreliable, state } = away();
    const ledger = newLedger(unreliable);
    let entered = 0;
    await workflow.run({ executionId: newExecution() }, async (run) => {
      const step = () => run.step('a', { attempts: 3 }, ({ attempt }) => (entered += attempt));
      await expect(step()).rejects.toMatchObject({
        code: 'SPANLEDGER_ATTEMPTS',
        message: expect.stringMatching(/step a was not begun.*unreliable: no server/),
      });
      expect(entered).toBe(0);
      state.up = true;
      await step();
    });
    expect(entered).toBe(1);
    expect((await ledger.steps()).map(({ event }) => event)).toEqual([
      'workflow_step_started',
      'workflow_step_completed',
    ]);
  });

  it.each([
    ['no record', 'text' as never],
    ['no number', {} as never],
    ['a text for a number', { epoch: '2' } as never],
    ['a number of no attempt', { epoch: 0 }],
    ['no number left', { epoch: Number.MAX_SAFE_INTEGER }],
  ])('is one that holds %s', async (_name, record) => {
    const store = new MemoryAttemptStore();
    store.write(KEY, record, 0);
    await expect(counterOf(store).claim(KEY, FIRST)).rejects.toMatchObject({ code: 'SPANLEDGER_ATTEMPTS' });
  });

  it('is not one that holds an event id which is none: that is unknown', async () => {
    const store = new MemoryAttemptStore();
    store.write(KEY, { epoch: 4, startedEventId: 'a'.repeat(1_000) }, 0);
    expect(await counterOf(store).claim(KEY, FIRST)).toMatchObject({ epoch: 5, supersededStart: undefined });
  });

  it('is counted without, if it says so, above all that is known; warned of once; and asked again later', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const { store, unreliable, state } = away('memory');
    const counter = counterOf(unreliable);
    const claim = () => counter.claim(KEY, FIRST) as Promise<Claim>;
    state.up = true;
    for (const epoch of [1, 2]) expect(await claim()).toMatchObject({ epoch });
    state.up = false;
    for (const epoch of [3, 4, 5]) expect(await claim()).toMatchObject({ epoch });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain('as long as unreliable is not available');
    expect(state.asked).toBe(5); // Twice two, and once in vain: no step waits for what is known to be away.
    expect(store.read(KEY).record).toEqual({ epoch: 2 });
    state.up = true;
    vi.advanceTimersByTime(5_001);
    expect(await claim()).toMatchObject({ epoch: 6 });
    expect(store.read(KEY).record).toEqual({ epoch: 6 });
    expect(warnings).toHaveLength(2);
    state.up = false;
    expect(await claim()).toMatchObject({ epoch: 7 });
    expect(warnings).toHaveLength(3);
  });

  it('is not one whose record of one step cannot be used: only that is counted without', async () => {
    const { store, unreliable, state } = away('memory');
    state.up = true;
    store.write(KEY, {} as never, 0);
    const counter = counterOf(unreliable);
    expect(await counter.claim(KEY, FIRST)).toMatchObject({ epoch: 1 });
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(`step ${KEY.stepId} is counted in this process alone, because of unreliable`);
    const other = { ...KEY, stepId: 'other' };
    store.write(other, { epoch: 6 }, 0);
    expect(await counter.claim(other, FIRST)).toMatchObject({ epoch: 7 });
    expect(warnings).toHaveLength(1);
  });

  it.each([null, 'two', Number.NaN, -1, {}])('is one that answers %s for a revision', async (answer) => {
    const liar = { name: 'liar', read: () => ({ revision: 0 }), write: () => answer } as never;
    await expect(counterOf(liar).claim(KEY, FIRST)).rejects.toMatchObject({ code: 'SPANLEDGER_ATTEMPTS' });
  });

  it('does not fail a step whose start it cannot note', async () => {
    const store = new MemoryAttemptStore();
    const refused = vi.fn<() => Promise<never>>().mockRejectedValue(new Error('no server'));
    newLedger({
      name: 'half',
      read: (key) => store.read(key),
      write: (key, record, revision) => (record.startedEventId ? refused() : store.write(key, record, revision)),
    });
    await workflow.run({ executionId: newExecution() }, (run) => run.step('a', () => 1));
    await eventually(() => expect(refused).toHaveBeenCalledOnce());
    // An unhandled rejection fails the test run.
    await delay(0);
  });

  it('is given up after a race that nobody wins', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0);
    const store = new MemoryAttemptStore();
    const never: AttemptStore = { name: 'never', read: (key) => store.read(key), write: () => undefined };
    await expect(counterOf(never).claim(KEY, FIRST)).rejects.toMatchObject({ code: 'SPANLEDGER_ATTEMPTS' });
    vi.restoreAllMocks();
  });
});

describe('the memory', () => {
  it('keeps so many steps, and forgets the oldest execution first', () => {
    const store = new MemoryAttemptStore(4);
    const write = (executionId: string, stepId: string) => {
      const key = { executionId, stepId };
      return store.write(key, { epoch: 1 }, store.read(key).revision);
    };
    for (const execution of ['x', 'y']) for (const step of ['a', 'b']) write(execution, step);
    write('x', 'a');
    write('z', 'a');
    const has = (executionId: string, stepId: string) => store.read({ executionId, stepId }).record !== undefined;
    expect(['x', 'y', 'z'].map((execution) => has(execution, 'a'))).toEqual([true, false, true]);
    for (let n = 0; n < 100; n += 1) write('z', `s${n}`);
    expect(has('x', 'a')).toBe(false);
    expect(['s95', 's96', 's97', 's98', 's99'].map((step) => has('z', step))).toEqual([false, true, true, true, true]);
  });

  it('lets nobody write who has read before something was forgotten', () => {
    const store = new MemoryAttemptStore(1);
    const revision = store.write(KEY, { epoch: 1 }, 0);
    store.write({ executionId: 'other', stepId: 'a' }, { epoch: 1 }, 0);
    store.write(KEY, { epoch: 7 }, 0);
    expect(store.write(KEY, { epoch: 2 }, revision!)).toBeUndefined();
    expect(store.read(KEY).record).toEqual({ epoch: 7 });
  });

  it('does not count in a run below what the run itself has had, whatever it has forgotten', async () => {
    const ledger = newLedger();
    await workflow.run({ executionId: newExecution() }, async (run) => {
      await run.step('a', () => 1);
      await Promise.all(Array.from({ length: 3 }, () => flood()));
      await run.step('a', ({ attempt }) => expect(attempt).toBe(2));
    });
    expect(rewindsIn(await ledger.events()).map(({ fields }) => fields)).toMatchObject([
      { superseded_after_event_id: expect.any(String) },
    ]);
  });
});

/** More steps in other executions than the memory of the process keeps. */
async function flood(): Promise<void> {
  const counter = new AttemptCounter(undefined);
  for (let n = 0; n < 33_000; n += 1) await counter.claim({ executionId: newExecution(), stepId: 'a' }, FIRST);
}
