import { currentWorkflow, receive } from '@spanledger/otel';
import type { AuditEvent } from '@spanledger/protocol';
import { describe, expect, it } from 'vitest';
import { audit, workflow } from '../src/index.ts';
import { brief, idOf, newExecution, rewindsIn, useWorkflowLedger } from './workflow-ledger.ts';

const newLedger = useWorkflowLedger();
const fail = (): never => {
  throw new Error('once');
};

/** Headers as a step sends them to an agent. */
const carrier = (executionId: string, stepId?: string, attempt?: number): Record<string, string> => ({
  'X-Workflow-Execution-Id': executionId,
  ...(stepId !== undefined && { 'X-Workflow-Step-Id': stepId }),
  ...(attempt !== undefined && { 'X-Workflow-Step-Attempt': String(attempt) }),
});

const startsIn = (events: readonly AuditEvent[]): AuditEvent[] =>
  events.filter(({ event }) => event === 'workflow_step_started');

describe('a phase of an agent', () => {
  it('is a step of the invocation, in its run, named after the step around it', async () => {
    const ledger = newLedger();
    const executionId = newExecution();
    const runId = await receive(carrier(executionId, 'research', 1), async () => {
      const result = await workflow.phase('search', { stage: 'deep' }, async ({ attempt }) => {
        audit.emit({ event: 'work_done' });
        expect(currentWorkflow()).toMatchObject({ stepId: 'research/search', attempt });
        return 'found';
      });
      expect(result).toBe('found');
      return currentWorkflow()?.runId;
    });
    const all = await ledger.events();
    expect(all.map(brief)).toEqual([
      'invocation_started research 1',
      'workflow_step_started research/search 1',
      'work_done research/search 1',
      'workflow_step_completed research/search 1',
      'invocation_complete research 1',
    ]);
    for (const event of all) expect(event).toMatchObject({ run_id: runId, entity_type: 'agent' });
    expect(all[1]).toMatchObject({ stage_id: 'deep', fields: { parent: { step_id: 'research', attempt_epoch: 1 } } });
  });

  it('is tried again with a marker, and ends as a step does', async () => {
    const ledger = newLedger();
    await receive(carrier(newExecution(), 'research', 1), () =>
      workflow.phase('search', { attempts: 2, failClosed: true }, ({ attempt }) => (attempt === 1 ? fail() : 1)),
    );
    const all = await ledger.events();
    const [first] = startsIn(all);
    expect(rewindsIn(all).map(({ fields }) => fields)).toEqual([
      { step: 'research/search', superseded_after_event_id: idOf(first!), new_epoch: 2 },
    ]);
  });

  it('has the attempt of the step around it at least, with a marker, where this process has not seen the one before', async () => {
    const ledger = newLedger();
    await receive(carrier(newExecution(), 'research', 2), () =>
      workflow.phase('search', ({ attempt }) => expect(attempt).toBe(2)),
    );
    expect(rewindsIn(await ledger.events()).map(({ fields }) => fields)).toEqual([
      { step: 'research/search', new_epoch: 2 },
    ]);
  });

  it('can still be tried again where a header claims the highest attempt that there is', async () => {
    newLedger();
    await receive(carrier(newExecution(), 'research', Number.MAX_SAFE_INTEGER), async () => {
      for (const expected of [1, 2]) await workflow.phase('search', ({ attempt }) => expect(attempt).toBe(expected));
    });
  });

  it('supersedes its own earlier attempt when the step is tried again, also while that still runs', async () => {
    const ledger = newLedger();
    const executionId = newExecution();
    let release = (): void => {};
    const abandoned = receive(carrier(executionId, 'research', 1), () =>
      workflow.phase('search', () => new Promise<void>((resolve) => (release = resolve))),
    );
    await receive(carrier(executionId, 'research', 2), () =>
      workflow.phase('search', ({ attempt }) => expect(attempt).toBe(2)),
    );
    release();
    await abandoned;
    const all = await ledger.events();
    expect(rewindsIn(all).map(({ fields }) => fields?.['superseded_after_event_id'])).toEqual([
      idOf(startsIn(all)[0]!),
    ]);
  });

  it('nests, runs in parallel, and keeps its own apart', async () => {
    const ledger = newLedger();
    const executionId = newExecution();
    await receive(carrier(executionId, 'research', 1), () =>
      Promise.all(
        ['left', 'right'].map((name) =>
          workflow.phase(name, async () => {
            await new Promise((resolve) => setImmediate(resolve));
            await workflow.phase('inner', async () => void audit.emit({ event: 'work_done', fields: { name } }));
          }),
        ),
      ),
    );
    const all = await ledger.events();
    for (const { step_id, fields } of all.filter(({ event }) => event === 'work_done')) {
      expect(step_id).toBe(`research/${String(fields?.['name'])}/inner`);
    }
    expect(startsIn(all).map(({ step_id, fields }) => [step_id, fields?.['parent']])).toEqual([
      ['research/left', { step_id: 'research', attempt_epoch: 1 }],
      ['research/right', { step_id: 'research', attempt_epoch: 1 }],
      ['research/left/inner', { step_id: 'research/left', attempt_epoch: 1 }],
      ['research/right/inner', { step_id: 'research/right', attempt_epoch: 1 }],
    ]);
  });

  it('is not entered twice at once in one invocation', async () => {
    const ledger = newLedger();
    await receive(carrier(newExecution(), 'research', 1), async () => {
      const first = workflow.phase('x', () => new Promise(setImmediate));
      await expect(workflow.phase('x', () => 1)).rejects.toMatchObject({ code: 'SPANLEDGER_STEP_ACTIVE' });
      await first;
    });
    expect(startsIn(await ledger.events())).toHaveLength(1);
  });

  it('is cancelled with the phase around it', async () => {
    const ledger = newLedger();
    let late: Promise<unknown> | undefined;
    await receive(carrier(newExecution(), 'research', 1), () =>
      workflow.phase('outer', async () => {
        late = workflow.phase(
          'inner',
          ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', reject)),
        );
        late.catch(() => {});
      }),
    );
    await expect(late).rejects.toBeDefined();
    expect((await ledger.steps()).map(brief)).toContain('workflow_step_failed research/outer/inner 1');
  });

  it('has its own name alone outside of a step, and is counted by run outside of an execution', async () => {
    const ledger = newLedger();
    for (let calls = 0; calls < 2; calls += 1) {
      await receive({}, async () => {
        await workflow.phase('search', ({ attempt }) => expect(attempt).toBe(1));
        await workflow.phase('search', ({ attempt }) => expect(attempt).toBe(2));
      });
    }
    const all = await ledger.events();
    expect(startsIn(all).map(brief)).toEqual([1, 2, 1, 2].map((n) => `workflow_step_started search ${n}`));
    expect(startsIn(all)[0]?.fields).toBeUndefined();
    const [first, second] = rewindsIn(all).map(({ fields }) => fields?.['superseded_after_event_id']);
    expect([first, second]).toEqual([idOf(startsIn(all)[0]!), idOf(startsIn(all)[2]!)]);
  });
});

describe('a phase of an orchestrator', () => {
  it('is in its run, inside of the step around it', async () => {
    const ledger = newLedger();
    await workflow.run({ executionId: newExecution() }, (run) =>
      run.step('plan', { attempt: 2 }, () => workflow.phase('draft', () => run.step('write', () => 1))),
    );
    expect(startsIn(await ledger.events()).map(brief)).toEqual([
      'workflow_step_started plan 2',
      'workflow_step_started plan/draft 2',
      'workflow_step_started write 2',
    ]);
  });

  it('is in the run of a message that is handled inside of a step, and not in that of the step', async () => {
    const ledger = newLedger();
    await workflow.run({ executionId: newExecution() }, (run) =>
      run.step('call', () =>
        receive(carrier(run.executionId, 'call', 1), async () => {
          const runId = currentWorkflow()?.runId;
          expect(runId).not.toBe(run.runId);
          await workflow.phase('x', () => expect(currentWorkflow()?.runId).toBe(runId));
        }),
      ),
    );
    expect(startsIn(await ledger.events()).map(brief)).toEqual([
      'workflow_step_started call 1',
      'workflow_step_started call/x 1',
    ]);
  });

  it('has its own name alone directly in the workflow', async () => {
    const ledger = newLedger();
    await workflow.run({}, () => workflow.phase('draft', () => 1));
    expect((await ledger.steps()).map(brief)).toEqual([
      'workflow_step_started draft 1',
      'workflow_step_completed draft 1',
    ]);
  });
});

describe('a phase that cannot be', () => {
  it('is outside of every run', async () => {
    const ledger = newLedger();
    let entered = false;
    await expect(workflow.phase('search', () => (entered = true))).rejects.toMatchObject({ code: 'SPANLEDGER_NO_RUN' });
    expect(entered).toBe(false);
    expect(await ledger.events()).toEqual([]);
  });

  it('has a name that is too long with those around it, or is no id', async () => {
    const ledger = newLedger();
    await receive(carrier(newExecution(), 'x'.repeat(100), 1), async () => {
      await workflow.phase('y'.repeat(27), () => 1);
      const tooLong = { code: 'SPANLEDGER_VALUE', message: expect.stringContaining('has 129') };
      await expect(workflow.phase('y'.repeat(28), () => 1)).rejects.toMatchObject(tooLong);
      for (const name of ['', 'a b']) {
        await expect(workflow.phase(name, () => 1)).rejects.toMatchObject({ code: 'SPANLEDGER_VALUE' });
      }
    });
    expect(startsIn(await ledger.events())).toHaveLength(1);
  });
});
