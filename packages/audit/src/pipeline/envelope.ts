import { boundText } from '@spanledger/otel/internal';
import { formatTimestamp } from '@spanledger/protocol';
import type { AuditEventDraft } from '@spanledger/protocol';
import type { WorkflowContext } from '@spanledger/otel/internal';
import type { EventInput } from '../event-input.ts';
import { now } from './clock.ts';
import type { ResolvedPipelineOptions } from './pipeline-options.ts';

/** Texts from spans, in UTF-16 units. */
const TEXT_MAX = 256;

/**
 * Who, where and when around what happened.
 *
 * I6: every property is named here and taken from the run and the scope, never from attributes or `fields`, so nothing
 * an application writes can reach it. Absent means absent: an undefined property has no JSON key.
 */
export function createEnvelope(
  options: ResolvedPipelineOptions,
  scope: WorkflowContext,
  input: EventInput,
): AuditEventDraft {
  const { run, workflow } = scope;
  const { span } = input;
  return {
    ts: timestamp(input.time),
    event: input.event,
    producer: options.producer,
    task_id: text(input.taskId),
    session_id: text(input.sessionId),
    client_request_id: text(input.clientRequestId),
    // A run belongs to one execution: these two are the run's, so that they always agree with its subject.
    workflow_id: run.workflowId,
    workflow_execution_id: run.executionId,
    stage_id: workflow.stageId,
    step_id: workflow.stepId,
    attempt_epoch: workflow.attempt,
    invocation_caller: workflow.caller,
    caller_verified: run.callerVerified || undefined,
    entity_type: text(input.entityType) ?? options.entityType,
    entity_id: options.producer,
    agent_version: options.agentVersion,
    org_id: options.orgId,
    workspace_id: options.workspaceId,
    trace_id: span?.traceId,
    span_id: span?.spanId,
    parent_span_id: span?.parentSpanId,
    trace_sampled: span?.sampled || undefined,
    duration_ms: wholeNumber(input.durationMs),
    model: text(input.model),
    provider: text(input.provider),
    input_tokens: wholeNumber(input.inputTokens),
    output_tokens: wholeNumber(input.outputTokens),
    tokens_unavailable: input.tokensUnavailable === true || undefined,
    request_id: text(input.requestId),
    fields: hasKeys(input.fields) ? input.fields : undefined,
  };
}

/** I3: a time that an application gave and that cannot be written (microseconds for milliseconds, a `Date`) is now. */
function timestamp(time: EventInput['time']): string {
  try {
    return formatTimestamp(time ?? now());
  } catch {
    return formatTimestamp(now());
  }
}

function text(value: string | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? boundText(value, TEXT_MAX) : undefined;
}

function wholeNumber(value: number | undefined): number | undefined {
  if (typeof value !== 'number') return undefined;
  const rounded = Math.max(0, Math.round(value));
  return Number.isSafeInteger(rounded) ? rounded : undefined;
}

function hasKeys(fields: EventInput['fields']): boolean {
  for (const _ in fields) return true;
  return false;
}
