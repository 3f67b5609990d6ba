import type { AuditEvent } from '@spanledger/protocol';
import type { RunState } from './report.ts';
import type { RunContents } from './run-contents.ts';

/** Where a run stands. None of it is a finding. */
export interface RunStanding {
  readonly state: RunState;
  readonly superseded: boolean;
}

/** What events say of other runs: that they were abandoned, or that there was a later attempt. */
export class RunStates {
  /** By abandoned run: the producer that says so. */
  readonly #abandoned = new Map<string, string>();
  /** By execution and step: the last attempt. Only of steps that were tried again. */
  readonly #epochs = new Map<string, number>();

  see(event: AuditEvent): void {
    const abandoned = event.event === 'run_abandoned' ? event.fields?.['run_id'] : undefined;
    if (typeof abandoned === 'string') this.#abandoned.set(abandoned, event.producer);
    const { workflow_execution_id: execution, step_id: stepId, attempt_epoch: epoch } = event;
    if (execution === undefined || stepId === undefined || typeof epoch !== 'number' || epoch < 2) return;
    const step = stepKey(execution, stepId);
    if (epoch > (this.#epochs.get(step) ?? 0)) this.#epochs.set(step, epoch);
  }

  of(run: RunContents): RunStanding {
    const [owner] = run.producers();
    const isAbandoned = run.terminalSeq === undefined && this.#abandoned.get(run.runId) === owner;
    const ended = run.terminalSeq === undefined ? 'open' : 'ended';
    return { state: isAbandoned ? 'abandoned' : ended, superseded: this.#isSuperseded(run) };
  }

  #isSuperseded({ execution, attempt }: RunContents): boolean {
    if (execution === undefined || attempt === undefined) return false;
    return attempt.epoch < (this.#epochs.get(stepKey(execution, attempt.stepId)) ?? 0);
  }
}

function stepKey(execution: string, stepId: string): string {
  return JSON.stringify([execution, stepId]);
}
