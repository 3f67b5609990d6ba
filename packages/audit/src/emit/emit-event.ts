import { context, trace } from '@opentelemetry/api';
import { workflowOf } from '@spanledger/otel/internal';
import { SpanledgerError } from '@spanledger/protocol';
import { isApplicationEvent, quoted } from '../application-event.ts';
import { eventInput } from '../event-input.ts';
import type { EventInput } from '../event-input.ts';
import { FIELD_LIMITS, toFields } from '../json-value.ts';
import { pipelineOrWarn } from '../pipeline/registry.ts';
import { validReference } from '../span-reference.ts';

/** An event that is not a span. */
export interface EmitOptions extends Omit<EventInput, 'span' | 'fields' | 'content'> {
  /** Any values: they are copied, made JSON and bounded, and may be changed afterwards. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/**
 * Records that something happened: in the current request, message or workflow step, else in the process's own run; with
 * the ids of the active span.
 *
 * It neither waits nor fails for what becomes of the event (I5). A name that cannot be one is the programmer's mistake,
 * and thrown.
 *
 * @returns the event id `<run_id>:<seq>`, or `undefined` if no event was made: no pipeline, shut down, or queue full.
 * @throws SpanledgerError `SPANLEDGER_EVENT` if `event` is not snake_case of 1 to 128 characters, or is one of `LEDGER_EVENTS`
 */
export function emitEvent(options: EmitOptions): string | undefined {
  const input = applicationInput(options);
  return pipelineOrWarn()?.emit(workflowOf(context.active()), input);
}

/**
 * What the application tells, with the ids of the active span.
 *
 * @param onCyclic see `toFields`.
 * @throws SpanledgerError `SPANLEDGER_EVENT`
 */
export function applicationInput(options: EmitOptions, onCyclic?: () => void): EventInput {
  // Read once: a getter must not answer one thing to the check, and another to the ledger.
  const { event, time, durationMs } = options;
  if (!isApplicationEvent(event)) {
    throw new SpanledgerError(
      'SPANLEDGER_EVENT',
      `event must be a snake_case name of 1 to 128 characters, and not one of the ledger's own, got ${quoted(event)}`,
    );
  }
  // I6: also where there is none, whatever was given in the options.
  const span = validReference(trace.getActiveSpan()?.spanContext());
  return eventInput(event, { time, span, durationMs }, options, toFields(options.fields, FIELD_LIMITS, onCyclic));
}
