import { SpanledgerError, parseAttempt, parseId } from '@spanledger/protocol';
import type { Durability } from '../audit-pipeline.ts';
import { checkDurability } from '../emit/durable-start.ts';

export interface WorkflowOptions {
  /** The definition. Never made up: without it the workflow has none. 1 to 128 visible ASCII characters. */
  readonly workflowId?: string;
  /** This execution. Default: a new UUIDv7. 1 to 128 visible ASCII characters. */
  readonly executionId?: string;
  /** Aborts `run.signal`, with the same reason. */
  readonly signal?: AbortSignal;
}

export interface StepOptions {
  /** Group of steps. Default: the stage of the step around this one. 1 to 128 visible ASCII characters. */
  readonly stage?: string;
  /**
   * Number of the first try, from 1, where something else counts: a durable engine's attempt. At least that: where another process or
   * an earlier run has had it already, it is the next one above theirs, and so it is inside of a step with a higher number. One
   * that is not above those of the same run is the error `SPANLEDGER_VALUE`. Default: one more than is known of the step.
   */
  readonly attempt?: number;
  /** How often to try before the error is the caller's. Default 1. There is no pause in between, and no retry after a cancellation. */
  readonly attempts?: number;
  /**
   * The step's function is called only once its `workflow_step_started` is durable: in the journal, where there is one, else
   * acknowledged by the sink, within 5 s. Default `false`: it is called at once.
   *
   * A start that is not durable is not tried again, whatever `attempts` says: the action has not failed, and the deadline says
   * how long to wait for the ledger.
   */
  readonly failClosed?: boolean | Durability;
}

/** @throws SpanledgerError `SPANLEDGER_VALUE` */
export function checkId(name: string, value: string): string {
  const id = parseId(value);
  if (id !== undefined) return id;
  throw new SpanledgerError('SPANLEDGER_VALUE', `${name} must be 1 to 128 visible ASCII characters`);
}

/** @throws SpanledgerError `SPANLEDGER_OPTION` */
export function checkFailClosed(failClosed: StepOptions['failClosed']): Durability | undefined {
  if (failClosed === undefined || failClosed === false) return undefined;
  if (failClosed === true) return {};
  if (typeof failClosed === 'object' && failClosed !== null) return checkDurability(failClosed);
  // A misspelt wish for safety is not taken for none.
  throw new SpanledgerError('SPANLEDGER_OPTION', 'failClosed must be true, false or { durable, deadlineMs }');
}

/** @throws SpanledgerError `SPANLEDGER_VALUE` */
export function checkCount(name: string, value: number): number {
  const count = parseAttempt(value);
  if (count !== undefined) return count;
  throw new SpanledgerError('SPANLEDGER_VALUE', `${name} must be a whole number from 1`);
}
