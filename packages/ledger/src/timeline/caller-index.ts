import type { AuditEvent } from '@spanledger/protocol';
import type { GrowingNode } from './timeline-node.ts';

/**
 * Finds who called a run where the span between the two (the client span of the call) is not audited: the caller's
 * name, the step and the attempt travel with the call, so the caller's own events of that step say where it was made.
 *
 * Where two runs of the caller might have made it, neither is chosen: a wrong place is worse than none.
 */
export class CallerIndex {
  /** The first event of each run that names a caller. */
  readonly #calls = new Map<string, AuditEvent>();
  /** The step's own span, where an orchestrator audits it. */
  readonly #steps = new Map<string, GrowingNode>();
  /** The run with events in that step; `undefined` once there are two. */
  readonly #runs = new Map<string, GrowingNode | undefined>();

  /** @param node where the event hangs: its span, or `run` itself. */
  add(event: AuditEvent, node: GrowingNode, run: GrowingNode): void {
    if (event.invocation_caller !== undefined && !this.#calls.has(event.run_id)) this.#calls.set(event.run_id, event);
    const key = keyOf(event.producer, event);
    if (event.event === 'workflow_step_started') this.#steps.set(key, node);
    const isOnly = !this.#runs.has(key) || this.#runs.get(key) === run;
    this.#runs.set(key, isOnly ? run : undefined);
  }

  callerOf(runId: string): GrowingNode | undefined {
    const call = this.#calls.get(runId);
    if (call?.invocation_caller === undefined) return undefined;
    const key = keyOf(call.invocation_caller, call);
    return this.#steps.get(key) ?? this.#runs.get(key);
  }
}

function keyOf(producer: string, event: AuditEvent): string {
  const { workflow_execution_id: execution, step_id: step, attempt_epoch: attempt } = event;
  return JSON.stringify([producer, execution, step, attempt]);
}
