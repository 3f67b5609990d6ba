import { decodeSubject } from '@spanledger/protocol';
import type { AuditEvent } from '@spanledger/protocol';
import type { Finding } from './finding.ts';

/** What is judged where one execution is. */
export class ExecutionScope {
  readonly #execution: string;
  /** With an event at least that says that it is of this execution: an edited one must not take its run out of sight. */
  readonly #runs = new Set<string>();

  constructor(execution: string) {
    this.#execution = execution;
  }

  see(event: AuditEvent): void {
    if (event.workflow_execution_id === this.#execution) this.#runs.add(event.run_id);
  }

  hasRun(runId: string): boolean {
    return this.#runs.has(runId);
  }

  /** What belongs to no run was stored under this execution, or it would not have been read. So was what says that it is of another. */
  has(finding: Finding): boolean {
    if (finding.cause === 'unparsable' || this.hasRun(finding.runId)) return true;
    const isMoved = finding.cause === 'subject_mismatch' || finding.cause === 'producer_mismatch';
    return isMoved && decodeSubject(finding.subject)?.executionId === this.#execution;
  }
}
