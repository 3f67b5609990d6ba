import type { SealedEvent } from '@spanledger/protocol';
import { describe, expect, it } from 'vitest';
import { verify } from '../src/index.ts';
import { TestRun, sha256, stored } from './history.ts';

/** What a process says after these events were stored. */
function checkpoint(instance: TestRun, heads: readonly SealedEvent[], more = {}): SealedEvent {
  const runs = heads.map(({ runId, seq, hash }) => ({ run_id: runId, last_seq: seq, head_hash: hash }));
  return instance.seal('audit_checkpoint', { fields: { runs, ...more } });
}

const findingsOf = async (events: readonly SealedEvent[], options = {}) =>
  (await verify(stored(events), { sha256, ...options })).findings;

describe('checkpoints', () => {
  it('that are borne out are no finding, in whatever order they are read', async () => {
    const [run, instance] = [new TestRun().complete(5), new TestRun()];
    const events = [...run, checkpoint(instance, [run[2]!]), checkpoint(instance, [run[4]!])];
    expect(await findingsOf(events)).toEqual([]);
    expect(await findingsOf(events.toReversed())).toEqual([]);
  });

  it('show that the tail of a run was cut', async () => {
    const [run, instance] = [new TestRun().complete(6), new TestRun()];
    const said = checkpoint(instance, [run[5]!]);
    expect(await findingsOf([...run.slice(0, 3), said])).toMatchObject([
      {
        cause: 'checkpoint_mismatch',
        kind: 'tail_cut',
        runId: run[0]!.runId,
        seq: 4,
        lastSeq: 6,
        streamSeq: 4,
        claimedBy: `${instance.runId}:1`,
      },
    ]);
  });

  it('show that a run was deleted whole', async () => {
    const [run, instance] = [new TestRun().complete(6), new TestRun()];
    const said = [checkpoint(instance, [run[2]!]), checkpoint(instance, [run[5]!])];
    expect(await findingsOf(said)).toMatchObject([{ kind: 'run_deleted', runId: run[0]!.runId, seq: 1, lastSeq: 6 }]);
  });

  it('show that a run was written anew, though each of its events links to the one before', async () => {
    const [run, instance] = [new TestRun(), new TestRun()];
    const events = run.complete(5);
    const said = checkpoint(instance, [events[3]!]);
    Object.assign(run.chain, { seq: 2, head: events[1]!.hash });
    const anew = [
      run.seal('tool_exec', { fields: { index: 'other' } }),
      run.seal('tool_exec'),
      run.seal('invocation_complete'),
    ];
    expect(await findingsOf([...events.slice(0, 2), ...anew, said])).toMatchObject([
      { cause: 'checkpoint_mismatch', kind: 'rewritten', runId: run.runId, seq: 4, lastSeq: 4 },
    ]);
  });

  it('of another producer say nothing of a run that is here', async () => {
    const [run, mallory] = [new TestRun('agent').complete(3), new TestRun('mallory')];
    const lie = { ...run[2]!, seq: 9, hash: 'f'.repeat(64) };
    expect(await findingsOf([...run, checkpoint(mallory, [lie])])).toEqual([]);
  });

  it('are not held against what a dead process had accepted, and was then reported lost', async () => {
    const [run, instance] = [new TestRun().complete(6), new TestRun()];
    const { runId, seq, hash } = run[5]!;
    const abandoned = new TestRun().seal('run_abandoned', {
      fields: { run_id: runId, last_seq: seq, head_hash: hash },
    });
    const findings = await findingsOf([...run.slice(0, 3), instance.reportLoss(run.slice(3)), abandoned]);
    expect(findings.map(({ cause }) => cause)).toEqual(['loss']);
  });

  it('outweigh a report that what they name was lost: stored is not lost', async () => {
    const [run, instance, forger] = [new TestRun().complete(6), new TestRun(), new TestRun()];
    const [{ runId }] = run as [SealedEvent];
    const tail = [...run.slice(0, 3), checkpoint(instance, [run[5]!]), forger.reportLoss(run.slice(3))];
    expect(await findingsOf(tail)).toMatchObject([
      { cause: 'checkpoint_mismatch', kind: 'tail_cut', runId, seq: 4, lastSeq: 6 },
      { cause: 'loss', seq: 4, lastSeq: 6 },
    ]);
    const middle = [...run.slice(0, 2), ...run.slice(4), checkpoint(new TestRun(), [run[2]!])];
    expect(await findingsOf([...middle, new TestRun().reportLoss(run.slice(2, 4))])).toMatchObject([
      { cause: 'gap', runId, seq: 3, lastSeq: 3 },
      { cause: 'loss', runId, seq: 4, lastSeq: 4 },
    ]);
  });

  it('are no ground to miss what is out of sight', async () => {
    const [run, instance] = [new TestRun().complete(6), new TestRun()];
    const said = checkpoint(instance, [run[5]!]);
    expect(await findingsOf([said], { fromStart: false })).toEqual([]);
    expect(await findingsOf([said], { execution: 'x' })).toEqual([]);
  });

  it('hold what a process says of the one before it', async () => {
    const [before, after] = [new TestRun(), new TestRun()];
    const events = [before.seal('session_start'), checkpoint(before, [], { final: true })];
    const predecessor = { run_id: before.runId, last_seq: 2, head_hash: events[1]!.hash };
    const next = after.seal('session_start', { fields: { predecessor } });
    expect(await findingsOf([...events, next])).toEqual([]);
    expect(await findingsOf([events[0]!, next])).toMatchObject([{ kind: 'tail_cut', seq: 2, lastSeq: 2 }]);
    expect(await findingsOf([next])).toMatchObject([{ kind: 'run_deleted', runId: before.runId }]);
  });

  it('and one cause is one finding', async () => {
    const [run, instance] = [new TestRun().complete(5), new TestRun()];
    const said = checkpoint(instance, [run[2]!]);
    const other = new TestRun().complete(5)[2]!;
    const bytes = new TextEncoder().encode(new TextDecoder().decode(run[2]!.bytes).replace('tool_exec', 'tool_call'));
    expect(other).toBeDefined();
    expect(await findingsOf([...run.slice(0, 2), { ...run[2]!, bytes }, ...run.slice(3), said])).toMatchObject([
      { cause: 'checkpoint_mismatch', kind: 'rewritten', seq: 3 },
    ]);
  });
});

describe('states', () => {
  it('abandoned: another process of the producer has found that the one of the run died', async () => {
    const run = new TestRun();
    const events = run.complete(4).slice(0, 3);
    const fields = { run_id: run.runId, last_seq: 3, head_hash: events[2]!.hash };
    const report = await verify(stored([...events, new TestRun().seal('run_abandoned', { fields })]), { sha256 });
    expect(report).toMatchObject({ verified: true, findings: [], openRuns: 0, abandonedRuns: 1 });
    expect(report.runs.find(({ runId }) => runId === run.runId)?.state).toBe('abandoned');
  });

  it('superseded: a later attempt at its step was made', async () => {
    const step = { workflow_execution_id: 'x', step_id: 'plan', invocation_caller: 'orchestrator' };
    const attempts = [1, 2].map((attempt) =>
      new TestRun().seal('invocation_complete', { ...step, attempt_epoch: attempt }),
    );
    const report = await verify(stored(attempts), { sha256 });
    expect(report.verified).toBe(true);
    const superseded = attempts.map(({ runId }) => report.runs.find((run) => run.runId === runId)?.superseded);
    expect(superseded).toEqual([true, false]);
  });

  it('superseded: the step around its step was tried again without it', async () => {
    const orchestrator = new TestRun('orchestrator');
    const called = new TestRun('agent');
    const execution = { workflow_execution_id: 'exec-1' };
    const part = { ...execution, step_id: 'part', attempt_epoch: 1 };
    const events = [
      called.seal('invocation_started', { ...part, invocation_caller: 'orchestrator' }),
      orchestrator.seal('workflow_step_started', { ...execution, step_id: 'outer', attempt_epoch: 2 }),
      orchestrator.seal('workflow_step_started', {
        ...part,
        fields: { parent: { step_id: 'outer', attempt_epoch: 1 } },
      }),
    ];
    const report = await verify(stored(events), { sha256 });
    expect(report.runs.find(({ runId }) => runId === called.runId)?.superseded).toBe(true);
    expect(report.runs.find(({ runId }) => runId === orchestrator.runId)?.superseded).toBe(false);
  });
});

describe('clocks', () => {
  it('that are ahead of the server are told, once for a run, and say nothing against the record', async () => {
    const records = stored(new TestRun().complete(4)).map((record) => ({
      ...record,
      storedAtMs: Date.parse('2026-01-02T03:00:00Z'),
    }));
    const report = await verify(records, { sha256 });
    expect(report).toMatchObject({ verified: true, findings: [{ cause: 'clock_skew', seq: 1, skewMs: 245_000 }] });
    expect((await verify(records, { sha256, clockSkewMs: 300_000 })).findings).toEqual([]);
  });

  it('that are behind cannot be told from an outage', async () => {
    const records = stored(new TestRun().complete(4)).map((record) => ({
      ...record,
      storedAtMs: Date.parse('2026-01-03T03:00:00Z'),
    }));
    expect((await verify(records, { sha256 })).findings).toEqual([]);
  });
});

describe('a fork', () => {
  it('is one finding, where it begins', async () => {
    const run = new TestRun();
    const events = run.complete(3).slice(0, 2);
    const { head } = run.chain;
    const one = [events[1]!];
    Object.assign(run.chain, { seq: 2, head: events[1]!.hash });
    one.push(
      run.seal('tool_exec', { fields: { by: 'one' } }),
      run.seal('invocation_complete', { fields: { by: 'one' } }),
    );
    Object.assign(run.chain, { seq: 2, head: events[1]!.hash });
    const other = [
      run.seal('tool_exec', { fields: { by: 'other' } }),
      run.seal('invocation_complete', { fields: { by: 'other' } }),
    ];
    expect(head).toHaveLength(64);
    expect(await findingsOf([events[0]!, ...one, ...other])).toMatchObject([
      { cause: 'fork', runId: run.runId, seq: 3, lastSeq: 4 },
    ]);
  });
});

describe('a subject', () => {
  it('of another execution than its event', async () => {
    const [event] = new TestRun().complete(3);
    const records = stored([event!, { ...event!, subject: 'auditEvent.-.other.agent' }]);
    expect((await verify(records, { sha256 })).findings).toMatchObject([
      { cause: 'subject_mismatch', seq: 1, streamSeq: 2 },
    ]);
  });
});
