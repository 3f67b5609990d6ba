import type { Attributes } from '@opentelemetry/api';
import { Run, processState } from '@spanledger/otel/internal';
import type { WorkflowContext } from '@spanledger/otel/internal';
import { WORKFLOW_FIELDS, parseAttempt, parseId } from '@spanledger/protocol';
import type { WorkflowIdentity } from '@spanledger/protocol';

/**
 * Runs for spans that none of our processors saw start: one for each execution that their attributes name, and the instance
 * run for those that name none.
 *
 * I7: at most `max` runs. The one not used for longest is forgotten: its execution continues in a new run.
 */
export class ExecutionRuns {
  readonly #max: number;
  /** In order of last use. */
  readonly #runs = new Map<string, Run>();

  constructor(max: number) {
    this.#max = max;
  }

  scopeOf(attributes: Attributes): WorkflowContext {
    const workflow = identityOf(attributes);
    return { run: this.#runOf(workflow), workflow };
  }

  #runOf(workflow: WorkflowIdentity): Run {
    const { workflowId, executionId } = workflow;
    if (workflowId === undefined && executionId === undefined) return processState().instance.run;
    // No space is in an id, so no two pairs have the same key.
    const key = `${workflowId ?? ''} ${executionId ?? ''}`;
    const run = this.#runs.get(key) ?? new Run('carrier', workflow);
    this.#runs.delete(key);
    this.#runs.set(key, run);
    if (this.#runs.size > this.#max) this.#runs.delete(this.#runs.keys().next().value as string);
    return run;
  }
}

function identityOf(attributes: Attributes): WorkflowIdentity {
  const identity: Record<string, string | number> = {};
  for (const { key, attribute } of WORKFLOW_FIELDS) {
    const raw = attributes[attribute];
    const value = key === 'attempt' ? parseAttempt(raw) : parseId(raw);
    if (value !== undefined) identity[key] = value;
  }
  return identity;
}
