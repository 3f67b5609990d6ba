/** A value that JSON can carry as it is. Integers past 2^53 travel as decimal strings. */
export type JsonValue = string | number | boolean | JsonValue[] | { [key: string]: JsonValue };

export const SCHEMA_VERSION = '1.0';

/** `prev_hash` of the first event of a run. */
export const GENESIS_HASH = '0'.repeat(64);

/**
 * What a producer says of one thing that happened, before it is sealed. Absent means absent: no property is
 * ever `null`, `''`, `false` or `{}`.
 */
export interface AuditEventDraft {
  /** When it happened: RFC 3339, UTC, microseconds. */
  ts: string;
  /** snake_case; see `event-types.ts`. */
  event: string;
  producer: string;
  task_id?: string | undefined;
  session_id?: string | undefined;
  client_request_id?: string | undefined;
  workflow_id?: string | undefined;
  workflow_execution_id?: string | undefined;
  stage_id?: string | undefined;
  step_id?: string | undefined;
  attempt_epoch?: number | undefined;
  invocation_caller?: string | undefined;
  caller_verified?: true | undefined;
  entity_type?: string | undefined;
  entity_id?: string | undefined;
  agent_version?: string | undefined;
  org_id?: string | undefined;
  workspace_id?: string | undefined;
  /** 32 lowercase hex. */
  trace_id?: string | undefined;
  /** 16 lowercase hex. */
  span_id?: string | undefined;
  /** 16 lowercase hex. */
  parent_span_id?: string | undefined;
  /** The trace was exported, so a search for it in Jaeger or Tempo will find it. */
  trace_sampled?: true | undefined;
  /** Whole milliseconds; on end events. */
  duration_ms?: number | undefined;
  model?: string | undefined;
  provider?: string | undefined;
  input_tokens?: number | undefined;
  output_tokens?: number | undefined;
  tokens_unavailable?: true | undefined;
  request_id?: string | undefined;
  /** Everything else, allow-listed. */
  fields?: { [key: string]: JsonValue } | undefined;
}

/** One event of Forge audit schema 1.0, extended, as it is read back from its bytes. */
export interface AuditEvent extends AuditEventDraft {
  schema_version: string;
  /** UUIDv7. */
  run_id: string;
  /** From 1, contiguous within the run. */
  seq: number;
  /** SHA-256 (64 hex) of the previous sealed event's bytes in the run; `GENESIS_HASH` on the first. */
  prev_hash: string;
  /** Equal to `run_id`: Forge groups `seq` by it. */
  correlation_id: string;
  kid?: string;
  sigp?: string;
  sig?: string;
}
