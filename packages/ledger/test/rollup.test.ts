import type { AuditEventDraft, LedgerRecord, SealedEvent } from '@spanledger/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rollup } from '../src/index.ts';
import type { LatencySummary, Rollup, WorkflowRollup } from '../src/index.ts';
import { TestRun, stored } from './history.ts';
import { executions, write } from './rollup-history.ts';
import { expectedRollup, nearestRank } from './rollup-model.ts';

const OUTCOMES = { completed: 0, failed: 0, cancelled: 0, open: 0 };

function shuffled(records: readonly LedgerRecord[], random: Iterator<number>): LedgerRecord[] {
  const keyed = records.map((record) => ({ record, key: random.next().value as number }));
  return keyed.sort((a, b) => a.key - b.key).map(({ record }) => record);
}

function expectLatency(latency: LatencySummary | undefined, durations: readonly number[]): void {
  expect(latency?.count ?? 0).toBe(durations.length);
  if (latency === undefined) return;
  const truth = nearestRank(durations, 0.9);
  expect(Math.abs(latency.p90Ms - truth)).toBeLessThanOrEqual(truth < 50 ? 0 : truth * 0.01 + 0.5);
}

describe('rollup', () => {
  it('equals what follows from all events at once, in whatever order and however often they come', async () => {
    const copies = fc.array(fc.nat(), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(executions, copies, fc.infiniteStream(fc.nat()), async (planned, again, random) => {
        const records = stored(write(planned));
        const copied = records.length === 0 ? [] : again.map((index) => records[index % records.length]!);
        const report = await rollup(shuffled([...records, ...copied], random));
        expect(report).toEqual(await rollup(records));
        expect(report).toMatchObject({ evicted: 0, lateEvents: 0 });
        expect(report.workflows.map(({ workflowId }) => workflowId)).toEqual(
          [...new Set(planned.map(({ workflowId }) => workflowId))].sort(),
        );
        for (const workflow of report.workflows) expectModel(workflow, records);
      }),
      { numRuns: 300 },
    );
  });

  function expectModel(workflow: WorkflowRollup, records: readonly LedgerRecord[]): void {
    const model = expectedRollup(records, workflow.workflowId!);
    expect(workflow).toMatchObject({ ...OUTCOMES, ...model.outcomes, retries: model.retries });
    expect(workflow.tokens).toEqual(model.tokens);
    expect(workflow.supersededTokens).toEqual(model.supersededTokens);
    expectLatency(workflow.latency, model.durations);
    expect(workflow.steps.map(({ stepId }) => stepId)).toEqual(Object.keys(model.steps).sort());
    for (const step of workflow.steps) {
      const { outcomes, retries, durations } = model.steps[step.stepId!]!;
      expect(step).toMatchObject({ ...OUTCOMES, ...outcomes, retries });
      expectLatency(step.latency, durations);
    }
  }

  const execution = (id: string, workflowId = 'wf') => ({ workflow_id: workflowId, workflow_execution_id: id });

  /** One execution that ends. */
  function whole(id: string, more: Partial<AuditEventDraft> = {}): SealedEvent[] {
    const run = new TestRun('orchestrator');
    const identity = { ...execution(id), ...more };
    return [run.seal('workflow_started', identity), run.seal('workflow_complete', { ...identity, duration_ms: 40 })];
  }

  it('counts an execution once that was begun again after a crash, by its timestamps', async () => {
    const [first, second] = [new TestRun('orchestrator'), new TestRun('orchestrator')];
    const at = (seconds: number) => ({ ...execution('ex'), ts: `2026-01-02T03:04:0${seconds}.000000Z` });
    const events = [
      first.seal('workflow_started', at(1)),
      second.seal('workflow_started', at(5)),
      second.seal('workflow_complete', { ...at(7), duration_ms: 2_000 }),
    ];
    const { workflows } = await rollup(stored(events));
    expect(workflows).toMatchObject([{ executions: 1, completed: 1, latency: { count: 1, maxMs: 6_000 } }]);
  });

  it('counts unavailable tokens as such, by model, and not what sums them up', async () => {
    const run = new TestRun();
    const call = (more: Partial<AuditEventDraft>) => run.seal('llm_call', { ...execution('ex'), ...more });
    const events = [
      call({ model: 'big', input_tokens: 10, output_tokens: 5 }),
      call({ model: 'big', tokens_unavailable: true }),
      call({ model: 'small', input_tokens: 1 }),
      run.seal('llm_call_failed', { ...execution('ex'), model: 'small' }),
      run.seal('invocation_complete', { ...execution('ex'), model: 'big', input_tokens: 11, output_tokens: 5 }),
    ];
    const { workflows } = await rollup(stored(events));
    expect(workflows[0]?.tokens).toEqual({ calls: 4, inputTokens: 11, outputTokens: 5, unavailable: 2 });
    expect(workflows[0]?.models).toEqual([
      { model: 'big', calls: 2, inputTokens: 10, outputTokens: 5, unavailable: 1 },
      { model: 'small', calls: 2, inputTokens: 1, outputTokens: 0, unavailable: 1 },
    ]);
  });

  it('names at most ten failing steps, those that fail most first, with what failed last', async () => {
    const events = Array.from({ length: 12 }, (_, step) =>
      Array.from({ length: step }, (__, n) => {
        const identity = { ...execution(`ex-${n}`), step_id: `s${step}`, attempt_epoch: 1 };
        const fields = { status: 'error', error_type: `E${n}` };
        const ts = `2026-01-02T03:04:05.0000${String(n).padStart(2, '0')}Z`;
        return new TestRun().seal('workflow_step_failed', { ...identity, ts, duration_ms: 1, fields });
      }),
    ).flat();
    const { workflows } = await rollup(stored(events));
    const top = workflows[0]!.topFailingSteps;
    expect(top.map(({ stepId, failed }) => [stepId, failed])).toEqual(
      [11, 10, 9, 8, 7, 6, 5, 4, 3, 2].map((count) => [`s${count}`, count]),
    );
    expect(top.map(({ lastErrorType }) => lastErrorType)).toEqual([10, 9, 8, 7, 6, 5, 4, 3, 2, 1].map((n) => `E${n}`));
  });

  it('takes an announced attempt for one, before its first event', async () => {
    const run = new TestRun('orchestrator');
    const step = { ...execution('ex'), step_id: 's', attempt_epoch: 1 };
    const rewind = { step: 's', superseded_after_event_id: `${run.runId}:1`, new_epoch: 2 };
    const events = [
      run.seal('workflow_step_completed', { ...step, duration_ms: 1 }),
      run.seal('stream_rewind', { ...execution('ex'), fields: rewind }),
    ];
    const { workflows } = await rollup(stored(events));
    expect(workflows[0]?.steps).toMatchObject([{ stepId: 's', completed: 0, open: 1, retries: 1 }]);
  });

  it('knows that a part is superseded of whose outer attempt nothing else was read', async () => {
    const run = new TestRun('orchestrator');
    const part = { step_id: 'part', attempt_epoch: 1, fields: { parent: { step_id: 'outer', attempt_epoch: 1 } } };
    const events = [
      run.seal('workflow_step_started', { ...execution('ex'), ...part }),
      run.seal('workflow_step_completed', { ...execution('ex'), step_id: 'outer', attempt_epoch: 2, duration_ms: 1 }),
    ];
    const { workflows } = await rollup(stored(events));
    expect(workflows[0]?.steps).toMatchObject([
      { stepId: 'outer', completed: 1, retries: 0 },
      { stepId: 'part', executions: 0, retries: 1 },
    ]);
  });

  it('counts a step that was tried again once, or each attempt, or says of both', async () => {
    const run = new TestRun('orchestrator');
    const of = (epoch: number, more = {}) => ({ ...execution('ex'), step_id: 's', attempt_epoch: epoch, ...more });
    const records = stored([
      run.seal('llm_call', of(1, { model: 'm', input_tokens: 3 })),
      run.seal('workflow_step_failed', of(1, { duration_ms: 10, fields: { status: 'error', error_type: 'E1' } })),
      run.seal('llm_call', of(2, { model: 'm', input_tokens: 4 })),
      run.seal('workflow_step_completed', of(2, { duration_ms: 20 })),
    ]);
    const report = async (collapse?: 'superseded' | 'mark' | 'none') =>
      (await rollup(records, collapse && { collapse })).workflows[0]!;
    const today = await report();
    expect(await report('superseded')).toEqual(today);
    expect(today).toMatchObject({ retries: 1, tokens: { inputTokens: 4 }, supersededTokens: { inputTokens: 3 } });
    expect(today.steps[0]).not.toHaveProperty('superseded');

    const marked = await report('mark');
    expect(marked.steps).toEqual([{ ...today.steps[0], superseded: { ...OUTCOMES, failed: 1 } }]);
    expect({ ...marked, steps: [], topFailingSteps: [] }).toEqual({ ...today, steps: [], topFailingSteps: [] });

    const each = await report('none');
    expect(each).toMatchObject({ executions: 1, retries: 0, tokens: { calls: 2, inputTokens: 7 } });
    expect(each.supersededTokens.calls).toBe(0);
    expect(each.steps).toMatchObject([{ executions: 2, completed: 1, failed: 1, retries: 0, lastErrorType: 'E1' }]);
    expect(each.topFailingSteps).toHaveLength(1);
  });

  it('looks at one definition, and at one window of beginnings', async () => {
    const ids = (report: Rollup) => report.workflows.map(({ workflowId, executions: n }) => [workflowId, n]);
    const at = (day: number) => ({ ts: `2026-01-0${day}T00:00:00.000000Z` });
    const records = stored([
      ...whole('a', at(1)),
      ...whole('b', at(2)),
      ...whole('c', { ...at(2), workflow_id: 'other' }),
      ...whole('d', { ...at(3), workflow_id: undefined }),
    ]);
    expect(ids(await rollup(records))).toEqual([
      ['other', 1],
      ['wf', 2],
      [undefined, 1],
    ]);
    expect(ids(await rollup(records, { workflowId: 'wf' }))).toEqual([['wf', 2]]);
    const [from, to] = [new Date('2026-01-02'), new Date('2026-01-03')];
    expect(ids(await rollup(records, { workflowId: 'wf', from }))).toEqual([['wf', 1]]);
    expect(ids(await rollup(records, { from, to }))).toEqual([
      ['other', 1],
      ['wf', 1],
    ]);
  });

  it('passes over runs of no execution, and what cannot be read', async () => {
    const records = [{ bytes: new TextEncoder().encode('{'), streamSeq: 1 }, ...stored(new TestRun().complete(3))];
    expect(await rollup(records)).toEqual({ workflows: [], evicted: 0, lateEvents: 0 });
  });

  it('is not harmed by claims that have no sense', async () => {
    const run = new TestRun();
    const odd = (event: string, more: object) => run.seal(event, { ...execution('ex'), ...more });
    const circle = (a: string, b: string) =>
      odd('workflow_step_started', {
        step_id: a,
        attempt_epoch: 1,
        fields: { parent: { step_id: b, attempt_epoch: 1 } },
      });
    const events = [
      circle('a', 'b'),
      circle('b', 'a'),
      circle('c', 'c'),
      odd('llm_call', { model: 7, input_tokens: -1, output_tokens: 'many', step_id: 9, attempt_epoch: 1.5 }),
      odd('workflow_step_failed', { step_id: '__proto__', attempt_epoch: 2 ** 52, duration_ms: -3, fields: 'x' }),
      odd('llm_call', { model: 'm'.repeat(257), step_id: 's'.repeat(257), attempt_epoch: 1, input_tokens: 1 }),
      odd('stream_rewind', { fields: { step: 4, new_epoch: 'x' } }),
      odd('workflow_complete', { ts: 'never', duration_ms: 'long' }),
    ];
    const { workflows } = await rollup(stored(events));
    expect(workflows).toMatchObject([{ executions: 1, completed: 1, tokens: { calls: 2, unavailable: 1 } }]);
    expect(workflows[0]?.models).toEqual([{ calls: 2, inputTokens: 1, outputTokens: 0, unavailable: 1 }]);
    expect(workflows[0]?.steps.map(({ stepId }) => stepId)).toEqual(['__proto__', 'a', 'b', 'c']);
  });

  it('lets go of ended executions first, then counts the oldest open one as open, and never counts one twice', async () => {
    const open = new TestRun('orchestrator').seal('workflow_started', execution('open'));
    const ended = [1, 2, 3, 4].flatMap((n) => whole(`ended-${n}`));
    const late = ended[0]!;
    expect(await rollup(stored([open, ...ended, late]), { heldMax: 6 })).toMatchObject({
      workflows: [{ executions: 5, completed: 4, open: 1 }],
      evicted: 0,
      lateEvents: 1,
    });
    const began = [1, 2, 3].map((n) => new TestRun('orchestrator').seal('workflow_started', execution(`open-${n}`)));
    const end = new TestRun('orchestrator').seal('workflow_complete', execution('open-1'));
    expect(await rollup(stored([...began, end]), { heldMax: 4 })).toMatchObject({
      workflows: [{ executions: 3, completed: 0, open: 3 }],
      evicted: 1,
      lateEvents: 1,
    });
  });

  it('counts what is beyond its bounds together', async () => {
    const steps = Array.from({ length: 10_003 }, (_, n) => ({ step_id: `s${n}`, attempt_epoch: 1, duration_ms: 1 }));
    const run = new TestRun('orchestrator');
    const events = steps.map((step) => run.seal('workflow_step_completed', { ...execution('ex'), ...step }));
    const [workflow] = (await rollup(stored(events))).workflows;
    expect(workflow?.steps).toHaveLength(10_001);
    expect(workflow?.steps.at(-1)).toEqual(expect.objectContaining({ executions: 3, completed: 3 }));
    expect(workflow?.steps.at(-1)).not.toHaveProperty('stepId');

    const models = Array.from({ length: 103 }, (_, n) => ({ model: `m${n}`, input_tokens: 1 }));
    const calls = models.map((model) => run.seal('llm_call', { ...execution('ex'), ...model }));
    expect((await rollup(stored(calls))).workflows[0]?.models.find(({ model }) => !model)?.calls).toBe(3);

    const workflows = Array.from({ length: 1_002 }, (_, n) =>
      run.seal('workflow_started', execution(`e${n}`, `w${n}`)),
    );
    const report = await rollup(stored(workflows));
    expect(report.workflows).toHaveLength(1_000);
    expect(report.otherWorkflows).toMatchObject({ executions: 2, open: 2 });
  });
});
