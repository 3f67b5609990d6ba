import path from 'node:path';
import { startNats } from '@spanledger/testkit';
import { expect, it } from 'vitest';
import { App } from './support/app.ts';
import { endedRuns, readLedger } from './support/ledger.ts';
import { collisions } from './support/ledger-keys.ts';

const EXECUTION = 'exec-runs';
const CALLS = ['a', 'b', 'c'];

it('gives concurrent calls, replicas and a restarted service numbers of their own, where naive keys collide', async () => {
  await using nats = await startNats();
  const env = { OTEL_SERVICE_NAME: 'agent', SPANLEDGER_NATS_URL: nats.url };
  // All on one machine.
  const journal = path.join(nats.dir, 'journal');
  await using other = await App.serve('agent.mjs', { env: { ...env, OTEL_SERVICE_NAME: 'another-agent' }, journal });
  await using replica = await App.serve('agent.mjs', { env, journal });

  const marks: string[] = [];
  const callThreeTimes = async (app: App, place: string): Promise<void> => {
    const called = CALLS.map((call) => `${place}-${call}`);
    await Promise.all(called.map((mark) => app.get(`/work?mark=${mark}`, headers())));
    marks.push(...called);
  };
  {
    await using first = await App.serve('agent.mjs', { env, journal });
    await Promise.all([
      callThreeTimes(first, 'first'),
      callThreeTimes(replica, 'replica'),
      callThreeTimes(other, 'other'),
    ]);
    await endedRuns(nats.url, marks);
    // It does not get to say goodbye: whatever starts after it knows nothing of it but its journal.
    first.child.kill('SIGKILL');
    await first.ended();
  }
  await using restarted = await App.serve('agent.mjs', { env, journal });
  await callThreeTimes(restarted, 'restarted');

  const runs = await endedRuns(nats.url, marks);
  expect(new Set(runs.map(([event]) => event?.run_id)).size).toBe(4 * CALLS.length);
  await Promise.all([replica.stop(), other.stop(), restarted.stop()]);

  const killed = runs.flat().filter(({ fields }) => String(fields?.['mark']).startsWith('first-'));
  const { events, report } = await readLedger(
    nats.url,
    killed.map((event) => event.run_id),
  );
  expect(report).toMatchObject({ openRuns: 0, producers: ['agent', 'another-agent'] });
  expect(events.every((event) => event.workflow_execution_id === EXECUTION)).toBe(true);
  expect(events).toHaveLength(4 * CALLS.length * 4);

  expect(collisions(events, ['run_id', 'seq'])).toBe(0);
  expect(collisions(events, ['workflow_execution_id', 'producer', 'run_id', 'seq'])).toBe(0);
  // Twelve runs of four events share the numbers 1 to 4; the entity tells two agents apart, not two calls to one of them.
  expect(collisions(events, ['workflow_execution_id', 'seq'])).toBe(48 - 4);
  expect(collisions(events, ['workflow_execution_id', 'entity_type', 'entity_id', 'seq'])).toBe(48 - 8);
});

it('gives a request a run of its own where listen() was called inside workflow.run', async () => {
  await using nats = await startNats();
  await using app = await App.serve('listens-in-workflow.mjs', {
    env: { OTEL_SERVICE_NAME: 'booted', SPANLEDGER_NATS_URL: nats.url },
  });
  await Promise.all([app.get('/?mark=with', headers()), app.get('/?mark=without')]);
  const [inWorkflow = [], inNone = []] = await endedRuns(nats.url, ['with', 'without']);
  expect(await app.stop()).toBe(143);

  expect(inWorkflow.map((event) => event.workflow_execution_id)).toEqual(Array.from({ length: 4 }, () => EXECUTION));
  expect(inNone).toHaveLength(4);
  for (const event of inNone) {
    expect(event).not.toHaveProperty('workflow_id');
    expect(event).not.toHaveProperty('workflow_execution_id');
  }
  const { report, runs } = await readLedger(nats.url);
  expect(runs).toHaveLength(3);
  expect(report.openRuns).toBe(0);
});

function headers(): Record<string, string> {
  return { 'X-Workflow-Id': 'research', 'X-Workflow-Execution-Id': EXECUTION, 'X-Workflow-Step-Id': 'search' };
}
