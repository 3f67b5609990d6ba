import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { roster } from '../src/index.ts';
import type { RosterOptions } from '../src/index.ts';
import type { JsonValue, SealedEvent } from '@spanledger/protocol';
import { TestRun, stored } from './history.ts';

const execution = { workflow_id: 'wf', workflow_execution_id: 'exec-1' };
const step = { ...execution, step_id: 'plan', attempt_epoch: 1 };

interface Call {
  readonly run_id: string;
  readonly [key: string]: JsonValue;
}

/** An orchestrator whose one step was answered by these runs. */
function orchestrated(calls: readonly Call[], ended = true): { run: TestRun; events: SealedEvent[] } {
  const run = new TestRun('orchestrator');
  const events = [
    run.seal('workflow_started', execution),
    run.seal('workflow_step_started', step),
    run.seal('workflow_step_completed', { ...step, fields: { dispatched: [...calls] } }),
  ];
  if (ended) events.push(run.seal('workflow_complete', execution));
  return { run, events };
}

function agent(): { run: TestRun; events: SealedEvent[] } {
  const run = new TestRun('planner');
  return { run, events: [run.seal('invocation_started', step), run.seal('invocation_complete', step)] };
}

async function stateOf(events: readonly SealedEvent[], options?: RosterOptions): Promise<string | undefined> {
  const report = await roster(stored(events), options);
  expect(report.findings).toHaveLength(report.dispatched.filter(({ state }) => state === 'absent').length);
  return report.dispatched[0]?.state;
}

describe('roster', () => {
  it('finds a producer that is wholly absent, and names the step that called it', async () => {
    const { run } = agent();
    const { run: orchestrator, events } = orchestrated([{ run_id: run.runId, host: 'a.svc', recorded: true }]);
    const report = await roster(stored(events));
    const called = { executionId: 'exec-1', stepId: 'plan', attempt: 1 };
    expect(report).toEqual({
      dispatched: [{ ...called, runId: run.runId, host: 'a.svc', state: 'absent' }],
      findings: [
        {
          cause: 'producer_absent',
          runId: orchestrator.runId,
          seq: 3,
          eventId: `${orchestrator.runId}:3`,
          streamSeq: 3,
          ...called,
          absentRunId: run.runId,
          host: 'a.svc',
        },
      ],
      unnamed: 0,
      overflowed: 0,
    });
  });

  it('finds nothing where it is there, and says who it was', async () => {
    const { run, events } = agent();
    const report = await roster(stored([...orchestrated([{ run_id: run.runId, recorded: true }]).events, ...events]));
    expect(report.findings).toEqual([]);
    expect(report.dispatched).toMatchObject([{ runId: run.runId, state: 'present', producer: 'planner' }]);
  });

  it('does not miss a run in which nothing need have been recorded, unless all of them are', async () => {
    const { events } = orchestrated([{ run_id: agent().run.runId }]);
    expect(await stateOf(events)).toBe('silent');
    expect(await stateOf(events, { lifecycle: 'always' })).toBe('absent');
  });

  it('misses a silent one that a checkpoint, or a report that it was abandoned, names', async () => {
    const { run } = agent();
    const { events } = orchestrated([{ run_id: run.runId }]);
    const head = { run_id: run.runId, last_seq: 2, head_hash: 'a'.repeat(64) };
    const checkpoint = new TestRun('planner').seal('audit_checkpoint', { fields: { runs: [head] } });
    const abandoned = new TestRun('planner').seal('run_abandoned', { ...execution, fields: head });
    expect(await stateOf([...events, checkpoint])).toBe('absent');
    expect(await stateOf([abandoned, ...events])).toBe('absent');
  });

  it('leaves a run that was reported lost to the verifier', async () => {
    const { run, events: lost } = agent();
    const { events } = orchestrated([{ run_id: run.runId, recorded: true }]);
    expect(await stateOf([...events, new TestRun('planner').reportLoss(lost)])).toBe('lost');
  });

  it('waits while the execution is going on, and no longer once its orchestrator is dead', async () => {
    const { run } = agent();
    const { run: orchestrator, events } = orchestrated([{ run_id: run.runId, recorded: true }], false);
    const abandoned = new TestRun('orchestrator').seal('run_abandoned', {
      ...execution,
      fields: { run_id: orchestrator.runId, last_seq: 3, head_hash: 'a'.repeat(64) },
    });
    expect(await stateOf(events)).toBe('pending');
    expect(await stateOf([...events, abandoned])).toBe('absent');
  });

  it('finds nothing where nobody of ours was called', async () => {
    expect(await roster(stored(orchestrated([]).events))).toMatchObject({ dispatched: [], findings: [] });
  });

  it('counts what was called and not named', async () => {
    const run = new TestRun('orchestrator');
    const fields = { dispatched: [{ run_id: agent().run.runId }], dispatched_more: 6 };
    const events = [run.seal('workflow_step_failed', { ...step, fields })];
    expect(await roster(stored([...events, ...events]))).toMatchObject({
      unnamed: 6,
      dispatched: [{ state: 'pending' }],
    });
  });

  it.each<JsonValue>(['x', [], {}, ['x', 1, [], {}], [{ run_id: 7 }, { run_id: '' }, { run_id: {} }]])(
    'is not harmed by %j in place of calls',
    async (dispatched) => {
      const run = new TestRun('orchestrator');
      const fields = { dispatched, dispatched_more: 'x', runs: dispatched, run_id: dispatched };
      const names = ['workflow_step_completed', 'workflow_complete', 'audit_checkpoint', 'run_abandoned', 'audit_loss'];
      const report = await roster(stored(names.map((name) => run.seal(name, { ...execution, fields }))));
      expect(report.findings).toEqual([]);
      expect(report.unnamed).toBe(0);
    },
  );

  it('makes no finding of what it could not hold', async () => {
    const { run, events } = agent();
    const { events: calls } = orchestrated([{ run_id: run.runId, recorded: true }]);
    const report = await roster(stored([...calls, ...events]), { heldMax: 1 });
    expect(report).toMatchObject({ findings: [], dispatched: [{ state: 'unknown' }] });
    expect(report.overflowed).toBeGreaterThan(0);
    const many = orchestrated(Array.from({ length: 3 }, () => ({ run_id: agent().run.runId, recorded: true })));
    expect(await roster(stored(many.events), { heldMax: 2 })).toMatchObject({ overflowed: 1, findings: [{}, {}] });
  });

  it('says the same in whatever order and however often the records come', async () => {
    const [here, gone, silent, lost] = [agent(), agent(), agent(), agent()];
    const { events: calls } = orchestrated([
      { run_id: here.run.runId, recorded: true },
      { run_id: gone.run.runId, recorded: true },
      { run_id: silent.run.runId },
      { run_id: lost.run.runId, recorded: true },
    ]);
    const records = stored([...calls, ...here.events, new TestRun('planner').reportLoss(lost.events)]);
    const expected = await roster(records);
    const states = expected.dispatched.map(({ state }) => state);
    expect(states.sort()).toEqual(['absent', 'lost', 'present', 'silent']);
    const again = fc.array(fc.constantFrom(...records), { maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(again, fc.infiniteStream(fc.nat()), async (copies, random) => {
        const shuffled = [...records, ...copies].map((record) => ({ record, key: random.next().value as number }));
        shuffled.sort((a, b) => a.key - b.key);
        expect(await roster(shuffled.map(({ record }) => record))).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });
});
