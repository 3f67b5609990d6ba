import { context } from '@opentelemetry/api';
import { workflowOf } from '@spanledger/otel/internal';
import { SpanledgerError } from '@spanledger/protocol';
import type { ErrorCode } from '@spanledger/protocol';
import type { Durability } from '../audit-pipeline.ts';
import { pipelineOrWarn } from '../pipeline/registry.ts';
import { checkDurability } from './durable-start.ts';
import { applicationInput } from './emit-event.ts';
import type { EmitOptions } from './emit-event.ts';

/** An event that must be on record for the caller to go on. */
export interface WriteEventOptions extends EmitOptions, Durability {}

/** What a caller can tell apart from "not durable in time". */
const REASONS: ReadonlySet<ErrorCode> = new Set(['SPANLEDGER_SINK_CLOSED', 'SPANLEDGER_SINK_BACKPRESSURE']);

/**
 * Records that something happened, as `audit.emit` does, and waits until that is durable: fail-fast, for an orchestrator whose request
 * must fail with its record. The event is numbered and sealed before this returns its promise, so calls that are made in an
 * order are recorded in it, awaited or not.
 *
 * A write that was rejected may still reach the ledger: what has a number is delivered, or reported as `audit_loss` (I3).
 *
 * @returns the event id `<run_id>:<seq>`.
 * @throws SpanledgerError `SPANLEDGER_NO_SINK` if Spanledger is not started; `SPANLEDGER_SINK_CLOSED` if it is shut down, or was before the
 * event was stored; `SPANLEDGER_SINK_BACKPRESSURE` if there is no room for the event; `SPANLEDGER_NOT_DURABLE` if the deadline has passed,
 * or the event was refused or failed, with the `cause`; `SPANLEDGER_EVENT`, `SPANLEDGER_OPTION`, and
 * `SPANLEDGER_PAYLOAD` for `fields` that hold themselves, before anything is recorded.
 */
export async function writeEvent(options: WriteEventOptions): Promise<string> {
  const { durable, deadlineMs } = options;
  const durability = checkDurability({ durable, deadlineMs });
  let isCyclic = false;
  const input = applicationInput(options, () => (isCyclic = true));
  if (isCyclic) throw new SpanledgerError('SPANLEDGER_PAYLOAD', 'nothing was written: the fields hold themselves');
  const pipeline = pipelineOrWarn();
  if (pipeline === undefined) {
    throw new SpanledgerError('SPANLEDGER_NO_SINK', 'the event cannot be written: Spanledger is not started');
  }
  try {
    return await pipeline.emitDurable(workflowOf(context.active()), input, durability);
  } catch (error) {
    throw reasonOf(error);
  }
}

/** What a caller is told: the reason itself, where it is one that can be acted on. */
export function reasonOf(error: unknown): unknown {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof SpanledgerError && REASONS.has(cause.code) ? cause : error;
}
