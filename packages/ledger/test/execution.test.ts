import { describe, expect, it } from 'vitest';
import { verify } from '../src/index.ts';
import { TestRun, edited, sha256, stored } from './history.ts';

const EXECUTION = 'x';
const of = (execution: string) => ({ workflow_execution_id: execution });
const findingsOf = async (records: Parameters<typeof verify>[0]) =>
  (await verify(records, { sha256, execution: EXECUTION })).findings;

describe('one execution', () => {
  it('is judged with the reports of its producers, of which nothing is missed', async () => {
    const [run, instance] = [new TestRun(), new TestRun()];
    const events = [run.seal('invocation_started', of(EXECUTION)), run.seal('llm_call', of(EXECUTION))];
    const lost = run.seal('tool_exec', of(EXECUTION));
    events.push(run.seal('invocation_complete', of(EXECUTION)));
    instance.seal('session_start');
    expect(await findingsOf(stored([...events, instance.reportLoss([lost])]))).toMatchObject([
      { cause: 'loss', seq: 3 },
    ]);
  });

  it('is judged though one of its events, even the first, says that it is of another', async () => {
    const run = new TestRun();
    const events = ['invocation_started', 'tool_exec', 'invocation_complete'].map((e) => run.seal(e, of(EXECUTION)));
    const moved = events.with(0, edited(events[0]!, of('y')));
    expect(await findingsOf(stored(moved))).toMatchObject([
      { cause: 'subject_mismatch', seq: 1 },
      { cause: 'broken_chain', seq: 2 },
    ]);
  });

  it('shows an event of another one that was copied to its subject', async () => {
    const [run, other] = [new TestRun(), new TestRun()];
    const own = run.seal('invocation_started', of(EXECUTION));
    other.seal('invocation_started', of('y'));
    const copied = { ...other.seal('tool_exec', of('y')), subject: own.subject };
    expect(await findingsOf(stored([own, copied]))).toMatchObject([
      { cause: 'subject_mismatch', runId: other.runId, seq: 2, streamSeq: 2 },
    ]);
  });
});
