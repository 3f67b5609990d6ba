import type { WorkflowContext } from '@spanledger/otel/internal';
import { SpanledgerError } from '@spanledger/protocol';
import type { JsonValue } from '@spanledger/protocol';
import type { Durability } from '../audit-pipeline.ts';
import type { EventInput } from '../event-input.ts';
import { pipelineOrWarn } from '../pipeline/registry.ts';

/** As it is in options that may also say nothing. */
type GivenDurability = { readonly [K in keyof Durability]: Durability[K] | undefined };

/** @throws SpanledgerError `SPANLEDGER_OPTION` */
export function checkDurability({ durable, deadlineMs }: GivenDurability): Durability {
  if (durable !== undefined && durable !== 'journal' && durable !== 'acknowledged') {
    throw new SpanledgerError('SPANLEDGER_OPTION', "durable must be 'journal' or 'acknowledged'");
  }
  if (deadlineMs !== undefined && !(typeof deadlineMs === 'number' && deadlineMs > 0)) {
    throw new SpanledgerError('SPANLEDGER_OPTION', 'deadlineMs must be a number of milliseconds above 0');
  }
  return { ...(durable && { durable }), ...(deadlineMs !== undefined && { deadlineMs }) };
}

/**
 * Records that an action is about to begin, and waits until that is durable. The event is sealed before this returns (I1).
 *
 * @param signal Stops the waiting. The event may become durable all the same. It may also be aborted just after.
 * @returns the event id.
 * @throws SpanledgerError `SPANLEDGER_NOT_DURABLE`; the signal's reason
 */
export async function recordStart(
  scope: WorkflowContext,
  input: EventInput,
  durability: Durability,
  signal?: AbortSignal,
): Promise<string> {
  const pipeline = pipelineOrWarn();
  if (pipeline === undefined) throw notStarted();
  const durable = pipeline.emitDurable(scope, input, durability);
  return signal === undefined ? durable : unlessAborted(durable, signal);
}

/** What the end event of an action says that never began, because of this error. */
export function notBegun(error: unknown): Record<string, JsonValue> {
  return { not_begun: true, ...(error instanceof SpanledgerError && { error_code: error.code }) };
}

function notStarted(): SpanledgerError {
  const cause = new SpanledgerError('SPANLEDGER_NOT_STARTED', 'Spanledger is not started in this process');
  return new SpanledgerError('SPANLEDGER_NOT_DURABLE', 'nothing records that the action begins', { cause });
}

/** Waits, unless the signal is aborted. @throws its reason */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    const settle = (): void => signal.removeEventListener('abort', abort);
    promise.finally(settle).then(resolve, reject);
  });
}
