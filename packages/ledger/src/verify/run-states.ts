import type { AuditEvent } from '@spanledger/protocol';
import { AttemptIndex } from '../rewind/attempt-index.ts';
import { nameOf } from './field-values.ts';
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
  readonly #attempts = new AttemptIndex();

  see(event: AuditEvent): void {
    const abandoned = event.event === 'run_abandoned' ? nameOf(event.fields?.['run_id']) : undefined;
    if (abandoned !== undefined) this.#abandoned.set(abandoned, event.producer);
    this.#attempts.see(event);
  }

  of(run: RunContents): RunStanding {
    const [owner] = run.producers();
    const isAbandoned = run.terminalSeq === undefined && this.#abandoned.get(run.runId) === owner;
    const ended = run.terminalSeq === undefined ? 'open' : 'ended';
    return { state: isAbandoned ? 'abandoned' : ended, superseded: this.#isSuperseded(run) };
  }

  /** A run as a whole: by what other runs of its execution say. */
  #isSuperseded({ runId, execution, attempt }: RunContents): boolean {
    if (execution === undefined || attempt === undefined) return false;
    return this.#attempts.isSuperseded({
      run_id: runId,
      workflow_execution_id: execution,
      step_id: attempt.stepId,
      attempt_epoch: attempt.epoch,
    });
  }
}
