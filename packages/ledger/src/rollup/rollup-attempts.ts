import type { AuditEvent } from '@spanledger/protocol';
import { isName, isSeq } from '../verify/field-values.ts';
import { later, readEnd } from './rollup-end.ts';
import type { End } from './rollup-end.ts';
import { TokenTally, isModelCall } from './rollup-tokens.ts';

const STEP_EVENTS = new Set(['workflow_step_started', 'workflow_step_completed', 'workflow_step_failed']);

/** One try of one step, with what happened in it, in whatever run. */
interface Attempt {
  readonly stepId: string;
  readonly epoch: number;
  /** Its orchestrator said something of it. */
  orchestrated: boolean;
  end: End | undefined;
  /** The attempt of another step that it was begun in. */
  parent: { readonly stepId: string; readonly epoch: number } | undefined;
  tokens: TokenTally | undefined;
}

/** A step of one execution: how its last attempt ended, if the orchestrator's account of it was read. */
export interface SettledStep {
  readonly stepId: string;
  readonly end: End | undefined;
  /** The last attempt is superseded as well: the step around it was tried again without it. */
  readonly superseded: boolean;
  readonly retries: number;
}

/** The steps of one execution by attempt: of a step with several epochs the lower ones are superseded (DESIGN §6). */
export class Attempts {
  readonly #steps = new Map<string, Map<number, Attempt>>();

  /** How many are held. */
  size = 0;

  /** Any event of an attempt makes it known, and so supersedes those before. */
  touch(stepId: string, epoch: number): Attempt {
    let step = this.#steps.get(stepId);
    if (step === undefined) this.#steps.set(stepId, (step = new Map()));
    let attempt = step.get(epoch);
    if (attempt === undefined) {
      attempt = { stepId, epoch, orchestrated: false, end: undefined, parent: undefined, tokens: undefined };
      step.set(epoch, attempt);
      this.size += 1;
    }
    return attempt;
  }

  count(event: AuditEvent, stepId: string, epoch: number): void {
    const attempt = this.touch(stepId, epoch);
    if (isModelCall(event)) (attempt.tokens ??= new TokenTally()).count(event);
    if (!STEP_EVENTS.has(event.event)) return;
    attempt.orchestrated = true;
    const end = readEnd(event);
    if (end !== undefined) attempt.end = later(attempt.end, end);
    else attempt.parent = greater(parentOf(event), attempt.parent);
  }

  /** What is left of them, tokens sorted into those of last attempts and those that were spent in vain. */
  settle(tokens: TokenTally, superseded: TokenTally): SettledStep[] {
    const judge = new Supersession(this.#steps);
    const settled: SettledStep[] = [];
    for (const [stepId, step] of this.#steps) {
      let retries = 0;
      for (const attempt of step.values()) {
        const isSuperseded = judge.isSuperseded(attempt);
        if (attempt.tokens !== undefined) (isSuperseded ? superseded : tokens).merge(attempt.tokens);
        if (isSuperseded && attempt.orchestrated) retries += 1;
      }
      const attempts = [...step.values()];
      if (!attempts.some(({ orchestrated }) => orchestrated)) continue;
      const last = attempts.reduce((a, b) => (a.epoch > b.epoch ? a : b));
      settled.push({ stepId, end: last.end, superseded: judge.isSuperseded(last), retries });
    }
    return settled;
  }
}

/** Transitive: a step that was begun in a superseded attempt goes with it. */
class Supersession {
  readonly #steps: ReadonlyMap<string, ReadonlyMap<number, Attempt>>;
  readonly #lastEpochs: ReadonlyMap<string, number>;
  readonly #known = new Map<Attempt, boolean>();

  constructor(steps: ReadonlyMap<string, ReadonlyMap<number, Attempt>>) {
    this.#steps = steps;
    this.#lastEpochs = new Map(
      Array.from(steps, ([stepId, step]) => [stepId, [...step.keys()].reduce((a, b) => Math.max(a, b))]),
    );
  }

  /** Walks up, and not recursively: how deep the nesting is, and whether it closes a circle, is up to the events. */
  isSuperseded(attempt: Attempt): boolean {
    const path = new Set<Attempt>();
    let verdict = false;
    for (let at: Attempt | undefined = attempt; at !== undefined && !path.has(at) && !verdict; at = this.#parent(at)) {
      path.add(at);
      const known = this.#known.get(at);
      verdict = known ?? this.#hasLater(at.stepId, at.epoch);
      if (known !== undefined) break;
      if (at.parent !== undefined) verdict ||= this.#hasLater(at.parent.stepId, at.parent.epoch);
    }
    for (const passed of path) this.#known.set(passed, verdict);
    return verdict;
  }

  #parent({ parent }: Attempt): Attempt | undefined {
    return parent && this.#steps.get(parent.stepId)?.get(parent.epoch);
  }

  #hasLater(stepId: string, epoch: number): boolean {
    return epoch < (this.#lastEpochs.get(stepId) ?? 0);
  }
}

function parentOf(event: AuditEvent): Attempt['parent'] {
  const parent = event.fields?.['parent'] as { step_id?: unknown; attempt_epoch?: unknown } | undefined;
  const { step_id: stepId, attempt_epoch: epoch } = parent ?? {};
  return isName(stepId) && isSeq(epoch) ? { stepId, epoch } : undefined;
}

/** Of two claims always the same one, so that arrival does not count. */
function greater(a: Attempt['parent'], b: Attempt['parent']): Attempt['parent'] {
  if (a === undefined || b === undefined) return a ?? b;
  return a.stepId > b.stepId || (a.stepId === b.stepId && a.epoch > b.epoch) ? a : b;
}
