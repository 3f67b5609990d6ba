import type { HrTime } from '@opentelemetry/api';
import type { JsonValue } from '@spanledger/protocol';

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
