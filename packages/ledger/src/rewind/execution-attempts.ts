import { attemptOf, parentOf } from './step-epoch.ts';
import type { EventOfAttempt, StepEpoch } from './step-epoch.ts';

/** What is known of one step. A step that was tried once, outside of any other, needs none. */
interface Step {
  /** The highest epoch. */
  last: number;
  /** This epoch and all below are superseded: `last - 1`, or `last` where what it was begun in is superseded. */
  supersededTo: number;
  /** Steps that were begun in the attempt `last`, with their epochs; none once that is superseded. */
  parts: Map<string, number> | undefined;
}

const NONE: readonly StepEpoch[] = [];

/**
 * The attempts of one execution, from its events in whatever order (DESIGN §6). An attempt is superseded if a higher epoch of its
 * step is known, or if an attempt that its step was begun in is superseded.
 *
 * What is superseded stays superseded, and of one step it is always the lowest epochs: so one number for each step says it all.
 * Every claim counts that is read, so the order of arrival does not; claims that close a circle end at what is superseded already.
 */
export class ExecutionAttempts {
  readonly #steps = new Map<string, Step>();

  /** How much is held: steps that were tried again or have parts, and parts. */
  size = 0;

  /**
   * Any event of an attempt makes it known, and so do the marker that announces it and the parts that were begun in it.
   *
   * @returns what is superseded only now; with each of them all lower epochs of its step are.
   */
  see(event: EventOfAttempt): readonly StepEpoch[] {
    const attempt = attemptOf(event);
    if (attempt === undefined) return NONE;
    const superseded = this.#know(attempt);
    const parent = parentOf(event);
    return parent === undefined ? superseded : [...superseded, ...this.#know(parent), ...this.#hang(attempt, parent)];
  }

  isSuperseded({ stepId, epoch }: StepEpoch): boolean {
    return epoch <= (this.#steps.get(stepId)?.supersededTo ?? 0);
  }

  #know({ stepId, epoch }: StepEpoch): readonly StepEpoch[] {
    if (epoch <= (this.#steps.get(stepId)?.last ?? 1)) return NONE;
    this.#step(stepId).last = epoch;
    return this.#supersede({ stepId, epoch: epoch - 1 });
  }

  /** Both are known: so the parent is the last attempt, or superseded. */
  #hang(part: StepEpoch, parent: StepEpoch): readonly StepEpoch[] {
    if (this.isSuperseded(parent)) return this.#supersede(part);
    const step = this.#step(parent.stepId);
    step.parts ??= new Map();
    const known = step.parts.get(part.stepId);
    if (known === undefined) this.size += 1;
    step.parts.set(part.stepId, Math.max(part.epoch, known ?? 0));
    return NONE;
  }

  /** Goes down to the parts, and not recursively: how deep the nesting is, and whether it closes a circle, is up to the events. */
  #supersede(first: StepEpoch): readonly StepEpoch[] {
    const superseded: StepEpoch[] = [];
    const waiting = [first];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const step = this.#step(at.stepId);
      if (at.epoch <= step.supersededTo) continue;
      step.supersededTo = at.epoch;
      superseded.push(at);
      for (const [stepId, epoch] of step.parts ?? []) waiting.push({ stepId, epoch });
      this.size -= step.parts?.size ?? 0;
      step.parts = undefined;
    }
    return superseded;
  }

  #step(stepId: string): Step {
    let step = this.#steps.get(stepId);
    if (step === undefined) {
      this.#steps.set(stepId, (step = { last: 1, supersededTo: 0, parts: undefined }));
      this.size += 1;
    }
    return step;
  }
}
