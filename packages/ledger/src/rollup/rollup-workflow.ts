import type { CollapseMode } from '../rewind/collapse.ts';
import { LatencySketch } from './latency-sketch.ts';
import type { SettledStep } from './rollup-attempts.ts';
import { later } from './rollup-end.ts';
import type { End } from './rollup-end.ts';
import type { SettledExecution } from './rollup-execution.ts';
import type { Outcome, StepRollup, WorkflowRollup } from './rollup-report.ts';
import { TokenTally } from './rollup-tokens.ts';

const TOP_FAILING = 10;

/** How many more steps may have figures of their own, over all definitions (I7: a step's name can be made of data). */
export interface StepBudget {
  left: number;
}

type Counts = Record<Outcome, number>;

/** The sums of one definition. */
export class WorkflowTally {
  readonly #budget: StepBudget;
  readonly #collapse: CollapseMode;
  readonly #steps = new Map<string | undefined, StepTally>();
  readonly #counts: Counts = noCounts();
  readonly #latency = new LatencySketch();
  readonly #tokens = new TokenTally();
  readonly #supersededTokens = new TokenTally();

  constructor(budget: StepBudget, collapse: CollapseMode) {
    this.#budget = budget;
    this.#collapse = collapse;
  }

  count({ outcome, durationMs, steps, tokens, supersededTokens }: SettledExecution): void {
    this.#counts[outcome] += 1;
    if (outcome === 'completed') this.#latency.add(durationMs);
    for (const step of steps) this.#step(step.stepId).count(step);
    this.#tokens.merge(tokens);
    (this.#collapse === 'none' ? this.#tokens : this.#supersededTokens).merge(supersededTokens);
  }

  report(workflowId: string | undefined): WorkflowRollup {
    const steps = Array.from(this.#steps, ([stepId, step]) => step.report(stepId)).sort(byName);
    const latency = this.#latency.summary();
    return {
      ...(workflowId !== undefined && { workflowId }),
      executions: sum(this.#counts),
      ...this.#counts,
      ...(latency !== undefined && { latency }),
      retries: steps.reduce((count, { retries }) => count + retries, 0),
      tokens: this.#tokens.total(),
      models: this.#tokens.models(),
      supersededTokens: this.#supersededTokens.total(),
      steps,
      topFailingSteps: steps
        .filter(({ failed }) => failed > 0)
        .sort((a, b) => b.failed - a.failed || byName(a, b))
        .slice(0, TOP_FAILING),
    };
  }

  #step(stepId: string | undefined): StepTally {
    const known = this.#steps.get(stepId);
    if (known !== undefined) return known;
    if (stepId !== undefined) {
      if (this.#budget.left <= 0) return this.#step(undefined);
      this.#budget.left -= 1;
    }
    const step = new StepTally(this.#collapse);
    this.#steps.set(stepId, step);
    return step;
  }
}

class StepTally {
  readonly #collapse: CollapseMode;
  readonly #counts: Counts = noCounts();
  readonly #superseded: Counts = noCounts();
  readonly #latency = new LatencySketch();
  #lastFailure: End | undefined;

  constructor(collapse: CollapseMode) {
    this.#collapse = collapse;
  }

  count({ last, superseded }: SettledStep): void {
    for (const end of superseded) {
      if (this.#collapse === 'none') this.#countEnd(end);
      else this.#superseded[end?.outcome ?? 'open'] += 1;
    }
    // Without one its execution went on without the step.
    if (last !== undefined) this.#countEnd(last.end);
  }

  report(stepId: string | undefined): StepRollup {
    const latency = this.#latency.summary();
    const lastErrorType = this.#lastFailure?.errorType;
    return {
      ...(stepId !== undefined && { stepId }),
      executions: sum(this.#counts),
      ...this.#counts,
      retries: sum(this.#superseded),
      ...(this.#collapse === 'mark' && { superseded: this.#superseded }),
      ...(latency !== undefined && { latency }),
      ...(lastErrorType !== undefined && { lastErrorType }),
    };
  }

  #countEnd(end: End | undefined): void {
    this.#counts[end?.outcome ?? 'open'] += 1;
    if (end?.outcome === 'completed') this.#latency.add(end.durationMs);
    if (end?.outcome === 'failed') this.#lastFailure = later(this.#lastFailure, end);
  }
}

function noCounts(): Counts {
  return { completed: 0, failed: 0, cancelled: 0, open: 0 };
}

function sum({ completed, failed, cancelled, open }: Counts): number {
  return completed + failed + cancelled + open;
}

/** Those without a name last. */
function byName(a: StepRollup, b: StepRollup): number {
  if (a.stepId === undefined || b.stepId === undefined) return a.stepId === undefined ? 1 : -1;
  return a.stepId < b.stepId ? -1 : 1;
}
