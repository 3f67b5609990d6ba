import type { AuditEvent } from '@spanledger/protocol';
import { isSeq, nameOf } from './field-values.ts';
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
    const abandoned = event.event === 'run_abandoned' ? nameOf(event.fields?.['run_id']) : undefined;
    if (abandoned !== undefined) this.#abandoned.set(abandoned, event.producer);
    const { attempt_epoch: epoch } = event;
    const [execution, stepId] = [nameOf(event.workflow_execution_id), nameOf(event.step_id)];
    if (execution === undefined || stepId === undefined || !isSeq(epoch) || epoch < 2) return;
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
