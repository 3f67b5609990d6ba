import { receive } from '@spanledger/otel';
import { describe, expect, it } from 'vitest';
import { audit, memoryAttemptStore, workflow } from '../src/index.ts';
import { brief, idOf, newExecution, rewindsIn, useWorkflowLedger } from './workflow-ledger.ts';

const newLedger = useWorkflowLedger();
const fail = (): never => {
  throw new Error('once');
};

describe('the marker of a rewind', () => {
  it('is written before each attempt from the second on, and names the start of the one before', async () => {
    const ledger = newLedger();
    const executionId = newExecution();
    await workflow.run({ executionId }, (run) =>
      run.step('flaky', { attempts: 3, stage: 's' }, ({ attempt }) => {
        audit.emit({ event: 'work_done' });
        if (attempt < 3) fail();
      }),
    );
    const all = await ledger.events();
    const starts = all.filter(({ event }) => event === 'workflow_step_started');
    const rewinds = rewindsIn(all);
    expect(rewinds.map(({ fields }) => fields)).toEqual([
      { step: 'flaky', superseded_after_event_id: idOf(starts[0]!), new_epoch: 2 },
      { step: 'flaky', superseded_after_event_id: idOf(starts[1]!), new_epoch: 3 },
    ]);
    for (const marker of rewinds) {
      expect(marker).toMatchObject({ stage_id: 's', entity_type: 'workflow', workflow_execution_id: executionId });
    }
    expect(all.filter(({ event }) => event === 'work_done').map(brief)).toEqual(
      [1, 2, 3].map((n) => `work_done flaky ${n}`),
    );
  });

  it('is not written for steps that are not tried again, whatever happens beside them', async () => {
    const ledger = newLedger();
    await workflow.run({}, (run) =>
      Promise.all([
        run.step('a', { attempts: 2 }, ({ attempt }) => (attempt === 1 ? fail() : 1)),
        run.step('b', () => run.step('c', () => 1)),
      ]),
    );
    expect(rewindsIn(await ledger.events()).map(brief)).toEqual(['stream_rewind a 2']);
  });

  it('comes before the durable start of a fail-closed step', async () => {
    const ledger = newLedger();
    await workflow.run({}, (run) =>
      run.step('pay', { failClosed: true, attempts: 2 }, ({ attempt }) => (attempt === 1 ? fail() : 1)),
    );
    const all = await ledger.events();
    const start = all.find(({ event }) => event === 'workflow_step_started');
    expect(rewindsIn(all).map(({ fields }) => fields)).toEqual([
      { step: 'pay', superseded_after_event_id: idOf(start!), new_epoch: 2 },
    ]);
  });

  it('names no event where nobody knows one: an attempt given by the application', async () => {
    const ledger = newLedger();
    await workflow.run({}, (run) => run.step('a', { attempt: 2 }, () => 1));
    expect(rewindsIn(await ledger.events()).map(({ fields }) => fields)).toEqual([{ step: 'a', new_epoch: 2 }]);
  });

  it('names the start in an earlier run of the execution in this process', async () => {
    const ledger = newLedger();
    const executionId = newExecution();
    await workflow.run({ executionId }, (run) => run.step('a', fail)).catch(() => {});
    await workflow.run({ executionId }, (run) => run.step('a', ({ attempt }) => expect(attempt).toBe(2)));
    const all = await ledger.events();
    const start = all.find(({ event }) => event === 'workflow_step_started');
    const [marker, ...more] = rewindsIn(all);
    expect(more).toEqual([]);
    expect(marker?.fields).toMatchObject({ superseded_after_event_id: idOf(start!) });
    expect(marker?.run_id).not.toBe(start?.run_id);
  });
});

describe('the attempt of a step', () => {
  it('is counted for each execution on its own', async () => {
    newLedger();
    for (const executionId of [newExecution(), newExecution()]) {
      await workflow.run({ executionId }, (run) => run.step('a', ({ attempt }) => expect(attempt).toBe(1)));
    }
  });

  it('is that of the step around it at least, and not that of the workflow around it', async () => {
    newLedger();
    await workflow.run({}, async (run) => {
      await run.step('outer', { attempt: 3 }, async () => {
        await run.step('inner', { attempt: 2 }, ({ attempt }) => expect(attempt).toBe(3));
        await run.step('inner', ({ attempt }) => expect(attempt).toBe(4));
      });
      await run.step('beside', ({ attempt }) => expect(attempt).toBe(1));
    });
  });

  it('given by an engine is the next free one where an earlier run has had it, and an error in the same run', async () => {
    const store = memoryAttemptStore();
    const ledger = newLedger(store);
    const executionId = newExecution();
    // As BullMQ does with a job whose worker died: the same attempt once more.
    for (const expected of [1, 2, 3]) {
      await workflow.run({ executionId }, (run) =>
        run.step('job', { attempt: 1 }, ({ attempt }) => expect(attempt).toBe(expected)),
      );
    }
    await workflow.run({ executionId }, async (run) => {
      await run.step('job', { attempt: 7 }, ({ attempt }) => expect(attempt).toBe(7));
      await expect(run.step('job', { attempt: 7 }, () => 1)).rejects.toMatchObject({ code: 'SPANLEDGER_VALUE' });
    });
    expect(rewindsIn(await ledger.events())).toHaveLength(3);
  });

  it('is one each of two runs that are in the step together, and an error within one', async () => {
    const ledger = newLedger();
    const executionId = newExecution();
    let release = (): void => {};
    const abandoned = workflow.run({ executionId }, async (run) => {
      const first = run.step('a', () => new Promise<void>((resolve) => (release = resolve)));
      await expect(run.step('a', () => 1)).rejects.toMatchObject({ code: 'SPANLEDGER_STEP_ACTIVE' });
      await first;
    });
    await workflow.run({ executionId }, (run) => run.step('a', ({ attempt }) => expect(attempt).toBe(2)));
    release();
    await abandoned;
    expect(rewindsIn(await ledger.events()).map(brief)).toEqual(['stream_rewind a 2']);
  });

  it('is refused at once when the step is active, also while the store is being asked', async () => {
    const ledger = newLedger(memoryAttemptStore());
    await workflow.run({}, async (run) => {
      const first = run.step('a', () => 1);
      await expect(run.step('a', () => 1)).rejects.toMatchObject({ code: 'SPANLEDGER_STEP_ACTIVE' });
      await first;
      await run.step('a', () => 1);
    });
    expect(rewindsIn(await ledger.events()).map(brief)).toEqual(['stream_rewind a 2']);
  });

  it('reaches what a message inside of it is handled by', async () => {
    const ledger = newLedger();
    await workflow.run({ executionId: newExecution() }, (run) =>
      run.step('call', { attempt: 2 }, () =>
        receive(
          { 'x-workflow-execution-id': run.executionId, 'x-workflow-step-id': 'call', 'x-workflow-step-attempt': '2' },
          () => audit.emit({ event: 'work_done' }),
        ),
      ),
    );
    const work = (await ledger.events()).find(({ event }) => event === 'work_done');
    expect(work).toMatchObject({ step_id: 'call', attempt_epoch: 2 });
  });
});

describe('a step whose number is being asked for', () => {
  /** A store that answers when it is told to. */
  function slowStore() {
    const store = memoryAttemptStore();
    let answer = (): void => {};
    const told = new Promise<void>((resolve) => (answer = resolve));
    return {
      answer,
      store: {
        name: 'slow',
        read: async (key: Parameters<typeof store.read>[0]) => {
          await told;
          return store.read(key);
        },
        write: store.write.bind(store),
      },
    };
  }

  it('is not begun when the workflow is cancelled, and does not wait for the answer', async () => {
    const { store } = slowStore();
    const ledger = newLedger(store);
    const controller = new AbortController();
    let entered = false;
    const running = workflow.run({ signal: controller.signal }, (run) => run.step('a', () => (entered = true)));
    controller.abort(new Error('stop'));
    await expect(running).rejects.toThrow('stop');
    expect(entered).toBe(false);
    expect((await ledger.events()).map(brief)).toEqual(['workflow_started', 'workflow_cancelled']);
  });

  it('is not begun when the workflow has ended meanwhile', async () => {
    const { store, answer } = slowStore();
    const ledger = newLedger(store);
    let late: Promise<unknown> | undefined;
    await workflow.run({}, async (run) => void (late = run.step('a', () => 1)).catch(() => {}));
    answer();
    await expect(late).rejects.toMatchObject({ name: 'AbortError' });
    expect((await ledger.events()).map(brief)).toEqual(['workflow_started', 'workflow_complete']);
  });

  it('is not begun when the workflow ends in any turn between the answer and its start', async () => {
    const outcomes = new Set<string>();
    for (let turns = 0; turns < 20; turns += 1) {
      const { store, answer } = slowStore();
      const ledger = newLedger(store);
      let late: Promise<unknown> | undefined;
      await workflow.run({ executionId: newExecution() }, async (run) => {
        late = run.step('a', () => 'called').catch(() => 'not called');
        answer();
        for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      });
      const outcome = await late;
      const recorded = (await ledger.events()).map(({ event }) => event.replace('workflow_', ''));
      outcomes.add([outcome, ...recorded].join(' '));
    }
    expect([...outcomes].sort()).toEqual([
      'called started step_started step_completed complete',
      'called started step_started step_failed complete',
      'not called started complete',
    ]);
  });
});
