import { roster } from '@spanledger/ledger';
import { startNats } from '@spanledger/testkit';
import { expect, it } from 'vitest';
import { App } from './support/app.ts';
import { readLedger } from './support/ledger.ts';

it('finds the agent that answered and never came into the ledger, and no other', async () => {
  await using nats = await startNats();
  await using elsewhere = await startNats();
  const env = (name: string, url = nats.url) => ({ OTEL_SERVICE_NAME: name, SPANLEDGER_NATS_URL: url });
  await using present = await App.serve('agent.mjs', { env: env('present') });
  await using absent = await App.serve('agent.mjs', { env: env('absent', elsewhere.url) });
  await using stranger = await App.serve('caller.mjs', {
    load: 'otel-alone.mjs',
    env: { OTEL_SERVICE_NAME: 'stranger' },
  });

  const url = (app: App, path: string) => `http://127.0.0.1:${app.port}${path}`;
  const targets = [
    `present=${url(present, '/work')}`,
    `absent=${url(absent, '/work')}`,
    `stranger=${url(stranger, '/')}`,
  ];
  await using orchestrator = new App('orchestrator.mjs', {
    env: { ...env('orchestrator'), SPANLEDGER_ALLOWED_HOSTS: '127.0.0.1', TARGETS: targets.join(' ') },
  });
  expect(await orchestrator.ended()).toBe(0);
  await Promise.all([present.stop(), absent.stop()]);

  const { records, report } = await readLedger(nats.url);
  expect(report.findings).toEqual([]);
  const { dispatched, findings } = await roster(records);
  const step = { executionId: 'exec-roster', attempt: 1, runId: expect.any(String), host: '127.0.0.1' };
  expect(dispatched).toEqual([
    { ...step, stepId: 'absent', state: 'absent' },
    { ...step, stepId: 'present', state: 'present', producer: 'present' },
  ]);
  expect(findings).toMatchObject([{ cause: 'producer_absent', stepId: 'absent', host: '127.0.0.1' }]);
  const event = JSON.parse(
    new TextDecoder().decode(records.find(({ streamSeq }) => streamSeq === findings[0]?.streamSeq)?.bytes),
  );
  expect(event).toMatchObject({ event: 'workflow_step_completed', step_id: 'absent', run_id: findings[0]?.runId });

  const inItsOwn = await readLedger(elsewhere.url);
  expect(inItsOwn.events.some(({ run_id }) => run_id === findings[0]?.absentRunId)).toBe(true);
});
