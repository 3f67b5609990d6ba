import { receive } from '@spanledger/otel';
import { expect, it } from 'vitest';
import { workflow } from '../src/index.ts';
import { brief, newExecution, rewindsIn, useWorkflowLedger } from './workflow-ledger.ts';

const newLedger = useWorkflowLedger();

/** As docs/durable-engines.md has it. */
function engineStep<T>(ids: { execution: string; step: string; attempt: number }, fn: () => Promise<T>): Promise<T> {
  const carrier = { 'x-workflow-id': 'order', 'x-workflow-execution-id': ids.execution };
  return receive(carrier, () => workflow.phase(ids.step, { attempt: ids.attempt }, fn));
}

it('takes the attempt of an engine that runs one step, also one that it is given twice', async () => {
  const ledger = newLedger();
  const execution = newExecution();
  // The worker of attempt 3 died, and the engine did not notice.
  for (const attempt of [1, 3, 3, 4]) {
    await engineStep({ execution, step: 'charge.5', attempt }, () => Promise.reject(new Error('no'))).catch(() => {});
  }
  const events = await ledger.events();
  const of = (epoch: number): string[] => [
    'invocation_started',
    ...(epoch === 1 ? [] : [`stream_rewind charge.5 ${epoch}`]),
    `workflow_step_started charge.5 ${epoch}`,
    `workflow_step_failed charge.5 ${epoch}`,
    'invocation_complete',
  ];
  expect(events.map((event) => brief(event).trim())).toEqual([1, 3, 4, 5].flatMap(of));
  expect(rewindsIn(events).map(({ fields }) => fields?.['new_epoch'])).toEqual([3, 4, 5]);
});
