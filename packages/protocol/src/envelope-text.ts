import { SCHEMA_VERSION } from './envelope.ts';
import type { AuditEvent, AuditEventDraft } from './envelope.ts';
import type { Chain } from './seal.ts';

/** Text that JSON writes as it is. */
const PLAIN = /^[ !#-[\]-~]*$/;

/** Members that nearly all events of a run have in common. */
type Shared = Pick<
  AuditEventDraft,
  'producer' | 'workflow_id' | 'workflow_execution_id' | 'entity_id' | 'agent_version' | 'org_id' | 'workspace_id'
>;

/** Their text, in pieces as they stand between the others. */
interface SharedText {
  readonly of: Shared;
  readonly producer: string;
  readonly correlation: string;
  readonly workflow: string;
  readonly entity: string;
}

/** I7: weak, each lives as long as its run. */
const sharedTexts = new WeakMap<Chain, SharedText>();

/**
 * The JSON text of an event: as `JSON.stringify` would write an object of these texts, numbers and `fields` in this order. What a run's events have in
 * common is written once: an audited span costs the process 1 µs less, of 17.
 *
 * I6: member by member, so that no property of a draft can take the place of a structural one.
 *
 * @throws whatever `JSON.stringify` throws for a member.
 */
export function envelopeText(chain: Chain, seq: number, draft: AuditEventDraft): string {
  const shared = sharedText(chain, draft);
  return (
    '{' +
    member('"ts":', draft.ts) +
    member(',"event":', draft.event) +
    shared.producer +
    `,"seq":${seq},"prev_hash":"${chain.head}"` +
    shared.correlation +
    member(',"task_id":', draft.task_id) +
    member(',"session_id":', draft.session_id) +
    member(',"client_request_id":', draft.client_request_id) +
    shared.workflow +
    member(',"stage_id":', draft.stage_id) +
    member(',"step_id":', draft.step_id) +
    member(',"attempt_epoch":', draft.attempt_epoch) +
    member(',"invocation_caller":', draft.invocation_caller) +
    member(',"caller_verified":', draft.caller_verified) +
    member(',"entity_type":', draft.entity_type) +
    shared.entity +
    member(',"trace_id":', draft.trace_id) +
    member(',"span_id":', draft.span_id) +
    member(',"parent_span_id":', draft.parent_span_id) +
    member(',"trace_sampled":', draft.trace_sampled) +
    member(',"duration_ms":', draft.duration_ms) +
    member(',"model":', draft.model) +
    member(',"provider":', draft.provider) +
    member(',"input_tokens":', draft.input_tokens) +
    member(',"output_tokens":', draft.output_tokens) +
    member(',"tokens_unavailable":', draft.tokens_unavailable) +
    member(',"request_id":', draft.request_id) +
    member(',"fields":', draft.fields) +
    '}'
  );
}

/** Nothing where there is no value. */
function member<Name extends keyof AuditEvent>(name: `${',' | ''}"${Name}":`, value: AuditEvent[Name]): string {
  if (value === undefined) return '';
  if (typeof value === 'string' && PLAIN.test(value)) return `${name}"${value}"`;
  const json = JSON.stringify(value) as string | undefined;
  return json === undefined ? '' : name + json;
}

function sharedText(chain: Chain, draft: AuditEventDraft): SharedText {
  let text = sharedTexts.get(chain);
  if (text === undefined || !isSame(text.of, draft)) {
    text = writeShared(chain.runId, draft);
    sharedTexts.set(chain, text);
  }
  return text;
}

function isSame(one: Shared, other: Shared): boolean {
  return (
    one.producer === other.producer &&
    one.workflow_id === other.workflow_id &&
    one.workflow_execution_id === other.workflow_execution_id &&
    one.entity_id === other.entity_id &&
    one.agent_version === other.agent_version &&
    one.org_id === other.org_id &&
    one.workspace_id === other.workspace_id
  );
}

function writeShared(runId: string, draft: Shared): SharedText {
  const { producer, workflow_id, workflow_execution_id, entity_id, agent_version, org_id, workspace_id } = draft;
  return {
    of: { producer, workflow_id, workflow_execution_id, entity_id, agent_version, org_id, workspace_id },
    producer: joined(
      member(',"schema_version":', SCHEMA_VERSION),
      member(',"producer":', producer),
      member(',"run_id":', runId),
    ),
    correlation: member(',"correlation_id":', runId),
    workflow: joined(
      member(',"workflow_id":', workflow_id),
      member(',"workflow_execution_id":', workflow_execution_id),
    ),
    entity: joined(
      member(',"entity_id":', entity_id),
      member(',"agent_version":', agent_version),
      member(',"org_id":', org_id),
      member(',"workspace_id":', workspace_id),
    ),
  };
}

/** In one piece: what `+` makes is put together anew wherever it is used. */
function joined(...members: string[]): string {
  return members.join('');
}
