import type { HrTime } from '@opentelemetry/api';
import type { JsonValue } from '@spanledger/protocol';
import type { GenAiContent } from './transcripts/genai-content.ts';

/**
 * One thing that happened, as the application or a span tells it: everything about an audit event except who we are,
 * which run it belongs to, and its place in it. Those the pipeline adds (I6).
 */
export interface EventInput {
  /** snake_case, 1 to 128 characters. */
  readonly event: string;
  /** When it happened. Default: now. */
  readonly time?: HrTime | undefined;
  /** `agent` by default; `workflow` for an orchestrator's events; `assistant`. */
  readonly entityType?: string | undefined;
  readonly span?: SpanReference | undefined;
  /** Milliseconds, rounded to a whole number. On end events. */
  readonly durationMs?: number | undefined;
  readonly taskId?: string | undefined;
  readonly sessionId?: string | undefined;
  readonly clientRequestId?: string | undefined;
  readonly model?: string | undefined;
  readonly provider?: string | undefined;
  readonly inputTokens?: number | undefined;
  readonly outputTokens?: number | undefined;
  readonly tokensUnavailable?: true | undefined;
  readonly requestId?: string | undefined;
  /** Plain JSON, already allow-listed and bounded; see `json-value.ts`. */
  readonly fields?: Readonly<Record<string, JsonValue>> | undefined;
  /** Of a GenAI span, where transcripts of spans are kept: it is stored beside the ledger, and the event carries its digest. */
  readonly content?: readonly GenAiContent[] | undefined;
}

/** Where the event is in its trace. */
export interface SpanReference {
  /** 32 lowercase hex. */
  readonly traceId: string;
  /** 16 lowercase hex. */
  readonly spanId: string;
  readonly parentSpanId?: string | undefined;
  /** The trace's sampled flag: whether a search in Jaeger or Tempo will find it. */
  readonly sampled: boolean;
}

/** When and where in its trace something happened, and how long it took. */
export type Place = Pick<EventInput, 'time' | 'span' | 'durationMs'>;

/** The properties of an event that are neither its place nor its `fields`. */
export type EventDetails = Omit<EventInput, 'event' | 'fields' | 'content' | keyof Place>;

/**
 * Puts an input together, property by property: objects that are spread together have no hidden class, and would cost 5 µs an
 * event more. I6: what else `details` may hold (a span's attributes, as a rule in plain JavaScript returned them) reaches nothing.
 */
export function eventInput(
  event: string,
  place: Place,
  details: EventDetails | undefined,
  fields: EventInput['fields'],
  content?: EventInput['content'],
): EventInput {
  return {
    event,
    time: place.time,
    entityType: details?.entityType,
    span: place.span,
    durationMs: place.durationMs,
    taskId: details?.taskId,
    sessionId: details?.sessionId,
    clientRequestId: details?.clientRequestId,
    model: details?.model,
    provider: details?.provider,
    inputTokens: details?.inputTokens,
    outputTokens: details?.outputTokens,
    tokensUnavailable: details?.tokensUnavailable,
    requestId: details?.requestId,
    fields,
    content,
  } satisfies Required<{ [Key in keyof EventInput]: unknown }>;
}
