import { createChain } from '@spanledger/protocol';
import type { Chain, WorkflowIdentity } from '@spanledger/protocol';
import { v7 as uuidv7 } from 'uuid';
import type { RunOutcome } from './run-lifecycle.ts';

/**
 * Where a run came from: an inbound carrier (a request or a message), an orchestrator's `workflow.run`, or the process
 * itself (start-up, health, background work).
 */
export type RunOrigin = 'carrier' | 'workflow' | 'instance';

/** How long after its terminal event a run still takes new spans. Timers keep their first request's context for ever. */
const CLOSED_AFTER_MS = 10 * 60_000;

/**
 * One producer's part in one execution: one handled request or message, or one orchestrator scope.
 *
 * It belongs to at most one execution, and only the process that minted it ever appends to it: that is what makes
 * `(run_id, seq)` unique over restarts, replicas and concurrent siblings.
 */
export class Run {
  /** UUIDv7, 36 characters. */
  readonly id = uuidv7();
  readonly origin: RunOrigin;
  readonly workflowId: string | undefined;
  readonly executionId: string | undefined;
  /** Moved forward by sealing, and by nothing else. */
  readonly chain: Chain;
  /** The trust gate vouched for the caller. It may become true later, for the events that follow; never false again. */
  callerVerified = false;
  /** The caller's own correlation id (`X-Forge-Correlation-Id`), where it sent one: `fields.caller_correlation_id`. */
  callerCorrelationId: string | undefined;
  /**
   * How the run ended, where a middleware saw what the entry span cannot (the client went away). The lifecycle emitter
   * prefers it to what the span says.
   */
  outcome: RunOutcome | undefined;
  #lifecycleClaimed = false;
  #terminalAtMs: number | undefined;

  constructor(origin: RunOrigin, workflow: WorkflowIdentity) {
    this.origin = origin;
    this.workflowId = workflow.workflowId;
    this.executionId = workflow.executionId;
    this.chain = createChain(this.id);
  }

  /** A run has one lifecycle emitter. @returns whether the caller is it: true once, for the first claim. */
  claimLifecycle(): boolean {
    if (this.#lifecycleClaimed) return false;
    this.#lifecycleClaimed = true;
    return true;
  }

  /** Called when the terminal event is sealed. */
  markTerminal(): void {
    this.#terminalAtMs ??= performance.now();
  }

  /** Whether it is too late for new spans; they go to the instance run. */
  get closed(): boolean {
    return this.#terminalAtMs !== undefined && performance.now() - this.#terminalAtMs > CLOSED_AFTER_MS;
  }
}
