/** Events of an orchestrator's own run. */
export const ORCHESTRATOR_EVENTS = [
  'workflow_started',
  'workflow_step_started',
  'workflow_step_completed',
  'workflow_step_failed',
  'workflow_complete',
  'workflow_failed',
  'workflow_cancelled',
] as const;

/** Events of an agent, as Forge names them; of `transcript_recorded` it knows nothing. */
export const AGENT_EVENTS = [
  'invocation_started',
  'invocation_complete',
  'invocation_cancelled',
  'llm_call',
  'llm_call_failed',
  'llm_call_cancelled',
  'tool_exec',
  'mcp_tool_call',
  'guardrail_check',
  'egress_allowed',
  'egress_blocked',
  'auth_verify',
  'auth_fail',
  'session_start',
  'session_end',
  'transcript_recorded',
] as const;

/** Those by which the ledger speaks of itself: for its readers, and not for whoever watches a task. */
export const REPORT_EVENTS = ['audit_checkpoint', 'audit_loss', 'run_abandoned', 'audit_export_status'] as const;

/** Events of the ledger about itself. */
export const LEDGER_EVENTS = ['stream_rewind', ...REPORT_EVENTS] as const;

/** What a sink stores, by name: the lists above. The event bus carries these too. */
export const AUDIT_EVENTS = [...ORCHESTRATOR_EVENTS, ...AGENT_EVENTS, ...LEDGER_EVENTS] as const;

/**
 * What the event bus alone carries, because it is too much and too fleeting for the ledger. The dot keeps it out: no
 * audit event can have such a name.
 */
export const BUS_ONLY_EVENTS = ['request.text_chunk'] as const;

/** The events that end a run. */
export const TERMINAL_EVENTS = [
  'workflow_complete',
  'workflow_failed',
  'workflow_cancelled',
  'invocation_complete',
  'invocation_cancelled',
] as const;

const TERMINAL: ReadonlySet<string> = new Set(TERMINAL_EVENTS);
const BUS_ONLY: ReadonlySet<string> = new Set(BUS_ONLY_EVENTS);

const EVENT_NAME = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;

/** Whether an event of this name ends its run. A run without one is *open*; what follows one is *late*. */
export function isTerminalEvent(event: string): boolean {
  return TERMINAL.has(event);
}

/** Whether an event of this name is for the event bus only: a streaming chunk. */
export function isBusOnlyEvent(event: string): boolean {
  return BUS_ONLY.has(event);
}

/** Whether a name may be an event's: snake_case, 1 to 128 characters. Names outside the lists above are allowed. */
export function isEventName(name: unknown): name is string {
  return typeof name === 'string' && name.length <= 128 && EVENT_NAME.test(name);
}
