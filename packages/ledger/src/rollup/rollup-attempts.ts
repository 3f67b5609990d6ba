import type { AuditEvent } from '@spanledger/protocol';
import { ExecutionAttempts } from '../rewind/execution-attempts.ts';
import { attemptOf, parentOf } from '../rewind/step-epoch.ts';
import type { StepEpoch } from '../rewind/step-epoch.ts';
import { later, readEnd } from './rollup-end.ts';
import type { End } from './rollup-end.ts';
import { TokenTally, isModelCall } from './rollup-tokens.ts';

const STEP_EVENTS = new Set(['workflow_step_started', 'workflow_step_completed', 'workflow_step_failed']);

/** What happened in one try of one step, in whatever run. */
interface Attempt extends StepEpoch {
  /** Its orchestrator said something of it. */
  orchestrated: boolean;
  end: End | undefined;
  tokens: TokenTally | undefined;
}

/** How one attempt ended; `undefined` if no end was read. */
type AttemptEnd = End | undefined;

/** A step of one execution, if the orchestrator's account of it was read. */
export interface SettledStep {
  readonly stepId: string;
  /** Its last attempt; none if that is superseded too: the step around it was tried again without it. */
  readonly last: { readonly end: AttemptEnd } | undefined;
  /** Its superseded attempts. */
  readonly superseded: readonly AttemptEnd[];
}

/** The steps of one execution by attempt, superseded or not. */
export class Attempts {
  readonly #steps = new Map<string, Map<number, Attempt>>();
  readonly #known = new ExecutionAttempts();
  #attempts = 0;

  /** How much is held. */
  get size(): number {
    return this.#attempts + this.#known.size;
  }

  /** Any event of the execution, copies of it too: they say the same again. */
  see(event: AuditEvent): void {
    this.#known.see(event);
    for (const attempt of [attemptOf(event), parentOf(event)]) if (attempt !== undefined) this.#attempt(attempt);
  }

  /** An event that has been seen, each content once. */
  count(event: AuditEvent, of: StepEpoch): void {
    const attempt = this.#attempt(of);
    if (isModelCall(event)) (attempt.tokens ??= new TokenTally()).count(event);
    if (!STEP_EVENTS.has(event.event)) return;
    attempt.orchestrated = true;
    const end = readEnd(event);
    if (end !== undefined) attempt.end = later(attempt.end, end);
  }

  /** What is left of them, tokens sorted into those of last attempts and those that were spent in vain. */
  settle(tokens: TokenTally, superseded: TokenTally): SettledStep[] {
    const settled: SettledStep[] = [];
    for (const [stepId, step] of this.#steps) {
      const ends: AttemptEnd[] = [];
      let last: Attempt | undefined;
      let isOrchestrated = false;
      for (const attempt of step.values()) {
        const isSuperseded = this.#known.isSuperseded(attempt);
        if (attempt.tokens !== undefined) (isSuperseded ? superseded : tokens).merge(attempt.tokens);
        isOrchestrated ||= attempt.orchestrated;
        if (!isSuperseded) last = attempt;
        else if (attempt.orchestrated) ends.push(attempt.end);
      }
      if (isOrchestrated) settled.push({ stepId, last: last && { end: last.end }, superseded: ends });
    }
    return settled;
  }

  #attempt({ stepId, epoch }: StepEpoch): Attempt {
    let step = this.#steps.get(stepId);
    if (step === undefined) this.#steps.set(stepId, (step = new Map()));
    let attempt = step.get(epoch);
    if (attempt === undefined) {
      attempt = { stepId, epoch, orchestrated: false, end: undefined, tokens: undefined };
      step.set(epoch, attempt);
      this.#attempts += 1;
    }
    return attempt;
  }
}
