import { timeline } from '@spanledger/ledger';
import type { AuditEvent } from '@spanledger/protocol';
import { startNats } from '@spanledger/testkit';
import { expect, it } from 'vitest';
import { App } from './support/app.ts';
import { readLedger } from './support/ledger.ts';

const stamped = ({ event, step_id, attempt_epoch }: AuditEvent): string => `${event} ${step_id} ${attempt_epoch}`;
const idOf = ({ run_id, seq }: AuditEvent): string => `${run_id}:${seq}`;

it('stamps every event of a step with its attempt, in the agents that it calls and those that they call', async () => {
  await using nats = await startNats();
  const env = (name: string) => ({
    OTEL_SERVICE_NAME: name,
    SPANLEDGER_NATS_URL: nats.url,
    SPANLEDGER_ALLOWED_HOSTS: '127.0.0.1',
    SPANLEDGER_ATTEMPTS: 'kv',
  });
  await using other = await App.serve('agent.mjs', { load: 'spanledger-genai.mjs', env: env('other') });
  await using agent = await App.serve('phasing-agent.mjs', {
    load: 'spanledger-genai.mjs',
    env: { ...env('researcher'), OTHER: other.url },
  });
  await using orchestrator = new App('researching-orchestrator.mjs', {
    load: 'spanledger-genai.mjs',
    env: { ...env('orchestrator'), AGENT: agent.url },
  });
  expect(await orchestrator.ended()).toBe(0);
  await Promise.all([agent.stop(), other.stop()]);

  const { events, records } = await readLedger(nats.url);
  const of = (producer: string) =>
    events.filter((event) => event.producer === producer && event.step_id !== undefined).map(stamped);
  const steps = [
    ['a', 1, 'completed'],
    ['b', 1, 'failed'],
    ['b', 2, 'completed'],
    ['c', 1, 'completed'],
  ] as const;
  const expected = (names: (attempt: number, end: string) => readonly string[]): string[] =>
    steps.flatMap(([step, attempt, end]) =>
      names(attempt, end).map(
        (name) => (name.includes('/') ? name.replace('/', ` ${step}/`) : `${name} ${step}`) + ` ${attempt}`,
      ),
    );
  const rewind = (attempt: number, phase = ''): string[] => (attempt > 1 ? [`stream_rewind${phase}`] : []);

  expect(of('orchestrator').sort()).toEqual(
    expected((attempt, end) => [
      ...rewind(attempt),
      'workflow_step_started',
      'answer_judged',
      `workflow_step_${end}`,
    ]).sort(),
  );
  expect(of('researcher').sort()).toEqual(
    expected((attempt, end) => [
      'invocation_started',
      'work',
      ...rewind(attempt, '/search'),
      ...['workflow_step_started', 'llm_call', 'query_started', 'query', `workflow_step_${end}`].map(
        (name) => `${name}/search`,
      ),
      'invocation_complete',
    ]).sort(),
  );
  expect(of('other').sort()).toEqual(
    expected(() => ['invocation_started', 'work', 'invocation_complete'].map((name) => `${name}/search`)).sort(),
  );

  const markers = events.filter(({ event }) => event === 'stream_rewind');
  const startOf = (step: string) => events.find((event) => stamped(event) === `workflow_step_started ${step} 1`)!;
  // Two producers send on connections of their own, so that either may be first on the stream.
  expect(Object.fromEntries(markers.map(({ producer, fields }) => [producer, fields]))).toEqual({
    orchestrator: { step: 'b', superseded_after_event_id: idOf(startOf('b')), new_epoch: 2 },
    researcher: { step: 'b/search', superseded_after_event_id: idOf(startOf('b/search')), new_epoch: 2 },
  });
  expect(markers).toHaveLength(2);

  // Read as one story, every producer's part in the first attempt at `b` is gone, and nothing else.
  const told = await timeline(records, { collapse: 'superseded' });
  const abandoned = ({ step_id: step, attempt_epoch: epoch }: AuditEvent): boolean =>
    (step === 'b' || step === 'b/search') && epoch === 1;
  const all = await timeline(records);
  expect(told.entries).toEqual(all.entries.filter(({ event }) => !abandoned(event)));
  expect(new Set(events.filter(abandoned).map(({ producer }) => producer)).size).toBe(3);
});
