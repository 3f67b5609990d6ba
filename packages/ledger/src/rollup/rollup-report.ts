import type { LatencySummary } from './latency-sketch.ts';

/** How an execution, or a step's last attempt, ended. `open`: no end was read. */
export type Outcome = 'completed' | 'failed' | 'cancelled' | 'open';

/** What model calls (`llm_call`, `llm_call_failed`, `llm_call_cancelled`) said of tokens. */
export interface TokenTotals {
  readonly calls: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Calls that said nothing of tokens: not zero, but not known. */
  readonly unavailable: number;
}

export interface ModelTokens extends TokenTotals {
  /** Absent for calls that name none, and for those beyond the first 100 models. */
  readonly model?: string;
}

/** One step over all executions of a definition, each counted once, by its last attempt; with `collapse: 'none'` each attempt. */
export interface StepRollup extends Readonly<Record<Outcome, number>> {
  /** Absent for the steps that were beyond the bound, taken together. */
  readonly stepId?: string;
  readonly executions: number;
  /** Attempts that a later one superseded. 0 with `collapse: 'none'`. */
  readonly retries: number;
  /** How these ended. Only there with `collapse: 'mark'`. */
  readonly superseded?: Readonly<Record<Outcome, number>>;
  /** Of last attempts that completed. */
  readonly latency?: LatencySummary;
  /** `error_type` of the last attempt that failed latest, by its own clock. */
  readonly lastErrorType?: string;
}

/** All executions of one definition that began in the window. */
export interface WorkflowRollup extends Readonly<Record<Outcome, number>> {
  /** Absent for executions of which no definition is known. */
  readonly workflowId?: string;
  readonly executions: number;
  /** Of those that completed. */
  readonly latency?: LatencySummary;
  /** Attempts of steps that a later one superseded. */
  readonly retries: number;
  /** Of all that was not superseded. */
  readonly tokens: TokenTotals;
  /** The same by model, most tokens first. */
  readonly models: readonly ModelTokens[];
  /** What superseded attempts have cost beside that. Nothing with `collapse: 'none'`: it is in `tokens`. */
  readonly supersededTokens: TokenTotals;
  /** By name. */
  readonly steps: readonly StepRollup[];
  /** At most ten, most failures first. */
  readonly topFailingSteps: readonly StepRollup[];
}

export interface Rollup {
  /** By name. */
  readonly workflows: readonly WorkflowRollup[];
  /** Executions of definitions beyond the first 1,000, taken together. */
  readonly otherWorkflows?: WorkflowRollup;
  /** Executions that were counted as open because too many were: their later events were not waited for. */
  readonly evicted: number;
  /** Events, copies among them, that came after their execution had been let go, and are not counted. */
  readonly lateEvents: number;
}
