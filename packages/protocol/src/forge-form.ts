import { SCHEMA_VERSION } from './envelope.ts';
import type { AuditEvent, AuditEventDraft } from './envelope.ts';
import type { Chain } from './seal.ts';

/** The member of `fields` that holds, in the `forge-1.0` form, what Forge's schema has no place for. */
const ADDITIONS_FIELD = 'spanledger';

/** Every top-level field of ours that Forge does not know. Its verifier checks a signature over the fields that it does know. */
const ADDITIONS = [
  'producer',
  'run_id',
  'session_id',
  'client_request_id',
  'attempt_epoch',
  'caller_verified',
  'agent_version',
  'parent_span_id',
  'trace_sampled',
] as const satisfies readonly (keyof AuditEvent)[];

type Addition = (typeof ADDITIONS)[number];
type Unchecked = Record<string, unknown>;

/** Received events by what was made of them here. I7: weak, each lives as long as its event. */
const received = new WeakMap<object, object>();

/** The fields that Forge knows, and the others inside `fields`. */
export function toForgeEnvelope(chain: Chain, seq: number, draft: AuditEventDraft): object {
  return {
    ts: draft.ts,
    event: draft.event,
    schema_version: SCHEMA_VERSION,
    seq,
    prev_hash: chain.head,
    correlation_id: chain.runId,
    task_id: draft.task_id,
    workflow_id: draft.workflow_id,
    workflow_execution_id: draft.workflow_execution_id,
    stage_id: draft.stage_id,
    step_id: draft.step_id,
    invocation_caller: draft.invocation_caller,
    org_id: draft.org_id,
    workspace_id: draft.workspace_id,
    entity_id: draft.entity_id,
    entity_type: draft.entity_type,
    model: draft.model,
    provider: draft.provider,
    input_tokens: draft.input_tokens,
    output_tokens: draft.output_tokens,
    tokens_unavailable: draft.tokens_unavailable,
    duration_ms: draft.duration_ms,
    request_id: draft.request_id,
    trace_id: draft.trace_id,
    span_id: draft.span_id,
    fields: forgeFields(chain.runId, draft),
  };
}

/**
 * The additions of a draft, inside its `fields`. One member and not nine: `audit_loss` has a `run_id` among its fields
 * that is another one, and an application may have a `producer`.
 *
 * I6: what the application has under this name, and a `toJSON` of its own, cannot take the place of the additions.
 */
function forgeFields(runId: string, draft: AuditEventDraft): Record<string, unknown> {
  const { fields } = draft;
  const additions: { readonly [Name in Addition]: AuditEvent[Name] } = {
    producer: draft.producer,
    run_id: runId,
    session_id: draft.session_id,
    client_request_id: draft.client_request_id,
    attempt_epoch: draft.attempt_epoch,
    caller_verified: draft.caller_verified,
    agent_version: draft.agent_version,
    parent_span_id: draft.parent_span_id,
    trace_sampled: draft.trace_sampled,
  };
  const replaced = typeof fields?.['toJSON'] === 'function' ? { toJSON: undefined } : undefined;
  return { ...fields, ...replaced, [ADDITIONS_FIELD]: additions };
}

/**
 * Brings an event of the `forge-1.0` form into the other one, so that nobody else needs to know of two. Whatever else it
 * is given comes back as it is: an event is of the `forge-1.0` form only if no addition is at its top level.
 */
export function withoutForgeForm(value: unknown): unknown {
  // Nearly every event has its additions at the top, and must not be copied to find that out.
  if (!isObject(value) || ADDITIONS.some((name) => Object.hasOwn(value, name))) return value;
  const given = value['fields'];
  if (!isObject(given) || !Object.hasOwn(given, ADDITIONS_FIELD)) return value;
  const { [ADDITIONS_FIELD]: additions, ...fields } = given;
  if (!isObject(additions)) return value;
  const event: Unchecked = { ...value, fields };
  if (Object.keys(fields).length === 0) delete event['fields'];
  for (const name of ADDITIONS) if (Object.hasOwn(additions, name)) event[name] = additions[name];
  received.set(event, value);
  return event;
}

/** The event as it was in its bytes: what was signed. */
export function asReceived(event: object): object {
  return received.get(event) ?? event;
}

function isObject(value: unknown): value is Unchecked {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
