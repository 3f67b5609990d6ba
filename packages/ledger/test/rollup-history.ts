import type { AuditEventDraft, SealedEvent } from '@spanledger/protocol';
import fc from 'fast-check';
import { TestRun } from './history.ts';

type End = 'completed' | 'failed' | 'cancelled' | 'open';

interface PlannedAttempt {
  readonly end: End;
  readonly durationMs: number;
  readonly calls: readonly (readonly [input: number, output: number] | 'unavailable')[];
  /** Steps that are begun inside of it. */
  readonly parts: readonly PlannedStep[];
}

interface PlannedStep {
  readonly name: string;
  readonly attempts: readonly PlannedAttempt[];
}

export interface PlannedExecution {
  readonly workflowId: string;
  readonly end: End;
  readonly durationMs: number;
  readonly steps: readonly PlannedStep[];
}

const end = fc.constantFrom<End>('completed', 'failed', 'cancelled', 'open');
const durationMs = fc.oneof(fc.nat(100), fc.nat(100_000));
const call = fc.oneof(fc.tuple(fc.nat(1_000), fc.nat(1_000)), fc.constant('unavailable' as const));

function steps(depth: number): fc.Arbitrary<PlannedStep[]> {
  const parts = depth === 0 ? fc.constant([]) : steps(depth - 1);
  const attempt = fc.record({ end, durationMs, calls: fc.array(call, { maxLength: 2 }), parts });
  const step = fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    attempts: fc.array(attempt, { minLength: 1, maxLength: 3 }),
  });
  return fc.uniqueArray(step, { maxLength: 2, selector: ({ name }) => name });
}

export const executions: fc.Arbitrary<PlannedExecution[]> = fc.array(
  fc.record({ workflowId: fc.constantFrom('w1', 'w2'), end, durationMs, steps: steps(2) }),
  { maxLength: 6 },
);

/** What an orchestrator and its agents write of them. Epochs count per step, and never begin anew. */
export function write(planned: readonly PlannedExecution[]): SealedEvent[] {
  return planned.flatMap((execution, index) => new Writer(execution, `ex-${index}`).write());
}

class Writer {
  readonly #events: SealedEvent[] = [];
  readonly #run = new TestRun('orchestrator');
  readonly #epochs = new Map<string, number>();
  readonly #planned: PlannedExecution;
  readonly #identity: Partial<AuditEventDraft>;

  constructor(planned: PlannedExecution, executionId: string) {
    this.#planned = planned;
    this.#identity = { workflow_id: planned.workflowId, workflow_execution_id: executionId };
  }

  write(): SealedEvent[] {
    const names = { completed: 'workflow_complete', failed: 'workflow_failed', cancelled: 'workflow_cancelled' };
    const { end: outcome, durationMs: duration_ms, steps: planned } = this.#planned;
    this.#emit('workflow_started', {});
    for (const step of planned) this.#step(step, step.name, undefined);
    if (outcome !== 'open') this.#emit(names[outcome], { duration_ms });
    return this.#events;
  }

  #step(
    { attempts }: PlannedStep,
    stepId: string,
    parent: { step_id: string; attempt_epoch: number } | undefined,
  ): void {
    for (const { end: outcome, durationMs: duration_ms, calls, parts } of attempts) {
      const epoch = (this.#epochs.get(stepId) ?? 0) + 1;
      this.#epochs.set(stepId, epoch);
      const step = { step_id: stepId, attempt_epoch: epoch };
      this.#emit('workflow_step_started', { ...step, ...(parent && { fields: { parent } }) });
      const agent = new TestRun('agent');
      for (const tokens of calls) {
        const said =
          tokens === 'unavailable'
            ? { tokens_unavailable: true as const }
            : { model: 'm', input_tokens: tokens[0], output_tokens: tokens[1] };
        this.#events.push(agent.seal('llm_call', { ...this.#identity, ...step, ...said }));
      }
      for (const part of parts) this.#step(part, `${stepId}.${part.name}`, step);
      if (outcome === 'completed') this.#emit('workflow_step_completed', { ...step, duration_ms });
      if (outcome === 'failed' || outcome === 'cancelled') {
        const status = outcome === 'failed' ? 'error' : 'cancelled';
        this.#emit('workflow_step_failed', { ...step, duration_ms, fields: { status, error_type: `E${epoch}` } });
      }
    }
  }

  #emit(event: string, more: Partial<AuditEventDraft>): void {
    this.#events.push(this.#run.seal(event, { ...this.#identity, ...more }));
  }
}
