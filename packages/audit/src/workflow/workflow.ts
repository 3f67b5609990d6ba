import { v7 as uuidv7 } from 'uuid';
import { phase } from './phase.ts';
import { checkId } from './workflow-options.ts';
import type { WorkflowOptions } from './workflow-options.ts';
import { OrchestratedRun } from './workflow-run.ts';
import type { WorkflowRun } from './workflow-run.ts';

/**
 * Runs a workflow: an execution with a run of its own in the ledger, from `workflow_started` to one terminal event, and a
 * span around it. What `fn` calls, and the services it calls, know that they are part of it.
 *
 * When `fn` is done, steps still running are closed as cancelled, and none can begin any more.
 *
 * @returns what `fn` returns.
 * @throws what `fn` throws, unchanged: an `AbortError`, or the reason of the aborted `signal`, is recorded as `workflow_cancelled`,
 * anything else as `workflow_failed`. SpanledgerError `SPANLEDGER_VALUE` for an unusable id, before anything is recorded.
 */
async function run<T>(options: WorkflowOptions, fn: (run: WorkflowRun) => T | PromiseLike<T>): Promise<T> {
  const { workflowId, executionId, signal } = options;
  const identity = {
    ...(workflowId !== undefined && { workflowId: checkId('workflowId', workflowId) }),
    executionId: executionId === undefined ? uuidv7() : checkId('executionId', executionId),
  };
  return new OrchestratedRun(identity).execute(fn, signal);
}

/** What an orchestrator is written with (`run`), and what an agent divides its own work with (`phase`). */
export const workflow = { run, phase } as const;
