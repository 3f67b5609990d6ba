import { SpanStatusCode, context, createContextKey, trace } from '@opentelemetry/api';
import type { Context, Span } from '@opentelemetry/api';
import { isAbortError, setWorkflowContext } from '@spanledger/otel/internal';
import type { AnsweredRun, WorkflowContext } from '@spanledger/otel/internal';
import type { JsonValue } from '@spanledger/protocol';
import type { Durability } from '../audit-pipeline.ts';
import { notBegun, recordStart } from '../emit/durable-start.ts';
import type { EventInput, SpanReference } from '../event-input.ts';
import { errorFields } from '../pipeline/error-fields.ts';
import { pipelineOrWarn } from '../pipeline/registry.ts';
import { validReference } from '../span-reference.ts';
import { DispatchedRuns } from './dispatched-runs.ts';
import { noteAnswersOn } from './live-activities.ts';

/** How a workflow or a step ended. */
export type ActivityEnd =
  | { readonly status: 'ok' }
  | { readonly status: 'error' | 'cancelled'; readonly error: unknown };

export interface ActivityOptions {
  /** Of the span. */
  readonly name: string;
  readonly scope: WorkflowContext;
  /** The activity that this one is a part of, and does not outlive. */
  readonly parent?: Activity;
  readonly onEnd?: () => void;
}

type Fields = Record<string, JsonValue>;

const KEY = createContextKey('@spanledger/audit activity');

/** The workflow or step that `ctx` is in. */
export function activityIn(ctx: Context): Activity | undefined {
  return ctx.getValue(KEY) as Activity | undefined;
}

/** A phase of an agent is the agent's own. */
export function entityTypeOf({ run }: WorkflowContext): 'workflow' | undefined {
  return run.origin === 'workflow' ? 'workflow' : undefined;
}

/** A workflow or a step under way: one span, one start event, and exactly one end event, after those of its parts. */
export class Activity {
  readonly scope: WorkflowContext;
  /** For what runs inside of it. */
  readonly ctx: Context;
  readonly #controller = new AbortController();
  readonly #parent: Activity | undefined;
  /** Its parts that are still running, in the order in which they began. */
  readonly #parts = new Set<Activity>();
  readonly #onEnd: (() => void) | undefined;
  readonly #span: Span;
  readonly #reference: SpanReference | undefined;
  readonly #startedAtMs = performance.now();
  readonly #dispatched = new DispatchedRuns();
  readonly #ignoreAnswers: () => void;
  #begun = true;
  #ended = false;

  constructor({ name, scope, parent, onEnd }: ActivityOptions) {
    const around = context.active();
    const entered = setWorkflowContext(around.setValue(KEY, this), scope);
    this.scope = scope;
    this.#parent = parent;
    this.#onEnd = onEnd;
    this.#span = trace.getTracer('@spanledger/audit').startSpan(name, {}, entered);
    this.#reference = validReference(this.#span.spanContext(), trace.getSpanContext(around));
    this.ctx = trace.setSpan(entered, this.#span);
    if (parent !== undefined) parent.#parts.add(this);
    this.#ignoreAnswers = noteAnswersOn(this, scope.workflow);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get running(): boolean {
    return !this.#ended && !this.signal.aborted;
  }

  /** False only while, and after, it waits in vain to be durably started. */
  get begun(): boolean {
    return this.#begun;
  }

  /** @throws the signal's reason once it is aborted, and an `AbortError` after the end */
  assertRunning(): void {
    this.signal.throwIfAborted();
    if (this.#ended) throw endedError();
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
    for (const part of this.#parts) part.abort(reason);
  }

  /** How it ended, if this is what was thrown in it. */
  failure(error: unknown): Exclude<ActivityEnd, { status: 'ok' }> {
    const aborted = this.signal.aborted && error === this.signal.reason;
    return { status: aborted || isAbortError(error) ? 'cancelled' : 'error', error };
  }

  /** Whom it called: told in its end event, `fields.dispatched`. */
  noteAnswer(answer: AnsweredRun): void {
    this.#dispatched.add(answer);
  }

  /** @returns the event id, if an event was made. */
  started(event: string, fields?: Fields): string | undefined {
    return this.#emit(this.#input(event, undefined, fields));
  }

  /**
   * The same, and waits until the event is durable. What it is for may then `begin`.
   *
   * @returns the event id.
   * @throws SpanledgerError `SPANLEDGER_NOT_DURABLE`; the signal's reason once that is aborted
   */
  startedDurably(event: string, durability: Durability, fields?: Fields): Promise<string> {
    this.#begun = false;
    return recordStart(this.scope, this.#input(event, undefined, fields), durability, this.signal);
  }

  /** To be called in the same turn in which that begins. @throws as `assertRunning` */
  begin(): void {
    this.assertRunning();
    this.#begun = true;
  }

  /**
   * Only the first call counts. Parts that nobody has waited for are told to stop, and end first, as cancelled. Its own signal
   * stays as it is: what it returned (a response whose body is still to be read) may hang on it.
   */
  end(event: string, end: ActivityEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const part of [...this.#parts].reverse()) part.#endUnfinished();
    if (this.#parent !== undefined) this.#parent.#parts.delete(this);
    this.#onEnd?.();
    this.#ignoreAnswers();
    const durationMs = performance.now() - this.#startedAtMs;
    const fields: Fields = end.status === 'ok' ? {} : { status: end.status, ...errorFields(end.error) };
    if (!this.#begun && end.status !== 'ok') Object.assign(fields, notBegun(end.error));
    Object.assign(fields, this.#dispatched.fields());
    this.#emit(this.#input(event, durationMs, fields));
    // A cancellation is not an error of the operation.
    if (end.status === 'error') {
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message: String(fields['error_message'] ?? '') });
    }
    this.#span.end();
  }

  #endUnfinished(): void {
    if (!this.signal.aborted) this.abort(endedError());
    this.end('workflow_step_failed', { status: 'cancelled', error: this.signal.reason });
  }

  #emit(input: EventInput): string | undefined {
    return pipelineOrWarn()?.emit(this.scope, input);
  }

  #input(event: string, durationMs?: number, fields?: Fields): EventInput {
    return {
      event,
      entityType: entityTypeOf(this.scope),
      ...(this.#reference && { span: this.#reference }),
      ...(durationMs !== undefined && { durationMs }),
      ...(fields && { fields }),
    };
  }
}

function endedError(): DOMException {
  return new DOMException('the workflow or step around it has ended', 'AbortError');
}
