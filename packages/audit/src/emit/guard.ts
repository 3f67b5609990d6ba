import { SpanStatusCode, context, trace } from '@opentelemetry/api';
import type { Context, Span } from '@opentelemetry/api';
import { isAbortError, workflowOf } from '@spanledger/otel/internal';
import type { WorkflowContext } from '@spanledger/otel/internal';
import { SpanledgerError } from '@spanledger/protocol';
import type { JsonValue } from '@spanledger/protocol';
import { isApplicationEvent, quoted } from '../application-event.ts';
import type { Durability } from '../audit-pipeline.ts';
import type { EventInput } from '../event-input.ts';
import { toFields } from '../json-value.ts';
import { errorFields } from '../pipeline/error-fields.ts';
import { pipelineOrWarn } from '../pipeline/registry.ts';
import { validReference } from '../span-reference.ts';
import { checkDurability, notBegun, recordStart } from './durable-start.ts';
import type { EmitOptions } from './emit-event.ts';

/** An action that is on record before it is done. */
export interface GuardOptions extends Omit<EmitOptions, 'time' | 'durationMs' | 'fields'>, Durability {
  /** Name of the event of success. The others are this and a suffix: 1 to 118 characters. */
  readonly event: string;
  /** As for `audit.emit`; in all events of the action. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Aborted before the action has begun: it does not. Its reason, thrown by the action, is a cancellation. */
  readonly signal?: AbortSignal;
}

type Fields = Record<string, JsonValue>;

/**
 * Does something only once it is on record that it will be done: fail-closed. `<event>_started` is durable before `fn` is
 * called; then come `<event>`, `<event>_failed` or `<event>_cancelled` (an `AbortError`, or the reason of `signal`), which
 * nobody waits for. All are in the run of the moment, and of a span `guard <event>`, inside of which `fn` runs.
 *
 * If the start is not durable within the deadline, `fn` is not called, and `<event>_failed` says so (`not_begun: true`).
 * The same holds where Spanledger is not started.
 *
 * @returns what `fn` returns.
 * @throws what `fn` throws, unchanged. SpanledgerError `SPANLEDGER_NOT_DURABLE`, and the signal's reason, before `fn` is
 * called; `SPANLEDGER_EVENT` (see `audit.emit`) and `SPANLEDGER_OPTION`, before anything is recorded.
 */
export async function guard<T>(options: GuardOptions, fn: () => T | PromiseLike<T>): Promise<T> {
  const { event, fields, durable, deadlineMs, signal, ...details } = options;
  checkNames(event);
  const durability = checkDurability({ durable, deadlineMs });
  signal?.throwIfAborted();
  const action = new GuardedAction({ ...details, event, fields: toFields(fields) }, signal);
  try {
    await action.recordStart(durability);
    action.begin();
    const value = await context.with(action.ctx, fn);
    action.succeed();
    return value;
  } catch (error) {
    action.fail(error);
    throw error;
  }
}

class GuardedAction {
  /** For what runs inside of it. */
  readonly ctx: Context;
  readonly #input: EventInput;
  readonly #signal: AbortSignal | undefined;
  readonly #scope: WorkflowContext;
  readonly #span: Span;
  readonly #startedAtMs = performance.now();
  #begun = false;

  constructor(input: EventInput, signal: AbortSignal | undefined) {
    const around = context.active();
    this.#scope = workflowOf(around);
    this.#span = trace.getTracer('@spanledger/audit').startSpan(`guard ${input.event}`, {}, around);
    this.ctx = trace.setSpan(around, this.#span);
    const span = validReference(this.#span.spanContext(), trace.getSpanContext(around));
    // I6: what was spread into the options is neither the span nor a time.
    this.#input = { ...input, span, time: undefined, durationMs: undefined };
    this.#signal = signal;
  }

  async recordStart(durability: Durability): Promise<void> {
    const input = { ...this.#input, event: `${this.#input.event}_started` };
    await recordStart(this.#scope, input, durability, this.#signal);
  }

  /** To be called in the same turn in which it begins. @throws the signal's reason */
  begin(): void {
    this.#signal?.throwIfAborted();
    this.#begun = true;
  }

  succeed(): void {
    this.#emitEnd('');
    this.#span.end();
  }

  fail(error: unknown): void {
    const aborted = this.#signal?.aborted === true && error === this.#signal.reason;
    const cancelled = aborted || isAbortError(error);
    const fields: Fields = { status: cancelled ? 'cancelled' : 'error', ...errorFields(error) };
    if (!this.#begun) Object.assign(fields, notBegun(error));
    this.#emitEnd(cancelled ? '_cancelled' : '_failed', fields);
    // A cancellation is not an error of the operation.
    if (!cancelled) {
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message: String(fields['error_message'] ?? '') });
    }
    this.#span.end();
  }

  #emitEnd(suffix: string, added?: Fields): void {
    pipelineOrWarn()?.emit(this.#scope, {
      ...this.#input,
      event: `${this.#input.event}${suffix}`,
      durationMs: performance.now() - this.#startedAtMs,
      ...(added && { fields: { ...this.#input.fields, ...added } }),
    });
  }
}

function checkNames(event: string): void {
  const ends = ['_started', '_failed', '_cancelled'];
  if (isApplicationEvent(event) && ends.every((end) => isApplicationEvent(`${event}${end}`))) return;
  throw new SpanledgerError(
    'SPANLEDGER_EVENT',
    'event must be a snake_case name of 1 to 118 characters, and neither it nor it with a suffix one of the ' +
      `ledger's own, got ${quoted(event)}`,
  );
}
