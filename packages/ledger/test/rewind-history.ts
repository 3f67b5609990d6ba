import type { AuditEventDraft, LedgerRecord, SealedEvent } from '@spanledger/protocol';
import fc from 'fast-check';
import { TestRun, stored } from './history.ts';

type End = 'completed' | 'failed' | 'crashed';

/** Its marker is stored so often: not at all, once, twice. An agent is called in it so often. */
interface PlannedAttempt {
  readonly end: End;
  readonly markers: number;
  readonly calls: number;
  readonly parts: readonly PlannedStep[];
}

interface PlannedStep {
  readonly name: string;
  /** Of an agent, which emits it in its own run. */
  readonly isPhase: boolean;
  readonly attempts: readonly PlannedAttempt[];
}

type PlannedExecution = readonly PlannedStep[];

/** What was stored, and whether it belongs to the story that is left: as planned, and not as any reader concluded. */
interface ToldEvent {
  readonly sealed: SealedEvent;
  readonly live: boolean;
}

const end = fc.constantFrom<End>('completed', 'failed', 'crashed');

function steps(depth: number): fc.Arbitrary<PlannedStep[]> {
  const parts = depth === 0 ? fc.constant([]) : steps(depth - 1);
  const attempt = fc.record({ end, markers: fc.nat(2), calls: fc.nat(2), parts });
  const step = fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    isPhase: fc.boolean(),
    attempts: fc.array(attempt, { minLength: 1, maxLength: 3 }),
  });
  return fc.uniqueArray(step, { maxLength: 2, selector: ({ name }) => name });
}

const histories: fc.Arbitrary<PlannedExecution[]> = fc.array(steps(2), { maxLength: 3 });

/** The events of all executions, one after the other, each in the order in which it happened. */
function tell(planned: readonly PlannedExecution[]): ToldEvent[] {
  return planned.flatMap((execution, index) => new Teller(`ex-${index}`).tell(execution));
}

class Teller {
  readonly #told: ToldEvent[] = [];
  readonly #epochs = new Map<string, number>();
  readonly #execution: Partial<AuditEventDraft>;
  #orchestrator = new TestRun('orchestrator');

  constructor(executionId: string) {
    this.#execution = { workflow_execution_id: executionId };
  }

  tell(planned: PlannedExecution): ToldEvent[] {
    this.#emit(this.#orchestrator, 'workflow_started', {}, true);
    for (const step of planned) this.#step(step, step.name, undefined, true);
    this.#emit(this.#orchestrator, 'workflow_complete', {}, true);
    return this.#told;
  }

  #step(
    { attempts, isPhase }: PlannedStep,
    stepId: string,
    parent: { readonly step_id: string; readonly attempt_epoch: number } | undefined,
    isStoryAround: boolean,
  ): void {
    const phaseRun = new TestRun('agent');
    for (const [index, attempt] of attempts.entries()) {
      const live = isStoryAround && index === attempts.length - 1;
      const epoch = (this.#epochs.get(stepId) ?? 0) + 1;
      this.#epochs.set(stepId, epoch);
      const step = { step_id: stepId, attempt_epoch: epoch };
      const emit = (event: string, more: Partial<AuditEventDraft> = {}): void =>
        this.#emit(isPhase ? phaseRun : this.#orchestrator, event, { ...step, ...more }, live);
      const rewind = { step: stepId, superseded_after_event_id: `${this.#orchestrator.runId}:1`, new_epoch: epoch };
      if (epoch > 1) for (let n = 0; n < attempt.markers; n += 1) emit('stream_rewind', { fields: rewind });
      emit('workflow_step_started', parent && { fields: { parent } });
      const called = new TestRun('called');
      for (let n = 0; n < attempt.calls; n += 1) this.#emit(called, 'llm_call', step, live);
      for (const part of attempt.parts) this.#step(part, `${stepId}/${part.name}`, step, live);
      if (attempt.end !== 'crashed') emit(`workflow_step_${attempt.end}`);
      else this.#startAgain();
    }
  }

  #startAgain(): void {
    this.#orchestrator = new TestRun('orchestrator');
    this.#emit(this.#orchestrator, 'workflow_started', {}, true);
  }

  #emit(run: TestRun, event: string, more: Partial<AuditEventDraft>, live: boolean): void {
    this.#told.push({ sealed: run.seal(event, { ...this.#execution, ...more }), live });
  }
}

/** Stored in any order, with second deliveries. @returns the records, and those of them that are left of the story. */
export const deliveries: fc.Arbitrary<{ records: LedgerRecord[]; live: LedgerRecord[] }> = fc
  .tuple(histories, fc.array(fc.nat(), { maxLength: 10 }), fc.boolean(), fc.infiniteStream(fc.nat()))
  .map(([planned, again, isOrdered, random]) => {
    const told = tell(planned);
    const all = told.length === 0 ? [] : [...told, ...again.map((index) => told[index % told.length]!)];
    const keyed = all.map((one) => ({ one, key: isOrdered ? 0 : random.next().value! }));
    const arrived = keyed.sort((a, b) => a.key - b.key).map(({ one }) => one);
    const records = stored(arrived.map(({ sealed }) => sealed));
    return { records, live: records.filter((_, index) => arrived[index]!.live) };
  });
