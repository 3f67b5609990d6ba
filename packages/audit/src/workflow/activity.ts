import { SpanStatusCode, context, trace } from '@opentelemetry/api';
import type { Context, Span } from '@opentelemetry/api';
import { setWorkflowContext } from '@spanledger/otel';
import type { WorkflowContext } from '@spanledger/otel';
import type { JsonValue } from '@spanledger/protocol';
import type { SpanReference } from '../event-input.ts';
import { errorFields } from '../pipeline/error-fields.ts';
import { pipelineOrWarn } from '../pipeline/registry.ts';
import { spanReference } from '../span-reference.ts';

/** How a workflow or a step ended. */
export type ActivityEnd =
  | { readonly status: 'ok' }
  | { readonly status: 'error' | 'cancelled'; readonly error: unknown };

type Fields = Record<string, JsonValue>;

/** A workflow or a step under way: one span, one start event, and exactly one end event. */
export class Activity {
  /** For what runs inside of it. */
  readonly ctx: Context;
  readonly #scope: WorkflowContext;
  readonly #span: Span;
  readonly #reference: SpanReference | undefined;
  readonly #startedAtMs = performance.now();
  #ended = false;

  constructor(name: string, scope: WorkflowContext) {
    const around = context.active();
    const entered = setWorkflowContext(around, scope);
    this.#scope = scope;
    this.#span = trace.getTracer('@spanledger/audit').startSpan(name, {}, entered);
    this.#reference = spanReference(this.#span.spanContext(), trace.getSpanContext(around));
    this.ctx = trace.setSpan(entered, this.#span);
  }

  started(event: string, fields?: Fields): void {
    this.#emit(event, undefined, fields);
  }

  /** Only the first call counts: what was closed as cancelled does not end again. */
  end(event: string, end: ActivityEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    const durationMs = performance.now() - this.#startedAtMs;
    if (end.status === 'ok') {
      this.#emit(event, durationMs);
    } else {
      const fields: Fields = { status: end.status, ...errorFields(end.error) };
      this.#emit(event, durationMs, fields);
      // A cancellation is not an error of the operation.
      if (end.status === 'error') {
        this.#span.setStatus({ code: SpanStatusCode.ERROR, message: String(fields['error_message'] ?? '') });
      }
    }
    this.#span.end();
  }

  #emit(event: string, durationMs?: number, fields?: Fields): void {
    pipelineOrWarn()?.emit(this.#scope, {
      event,
      entityType: 'workflow',
      ...(this.#reference && { span: this.#reference }),
      ...(durationMs !== undefined && { durationMs }),
      ...(fields && { fields }),
    });
  }
}
