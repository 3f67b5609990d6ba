/**
 * The one table of workflow identity: how each field is called in code, on the wire, in the envelope and on a span.
 *
 * Everything that reads or writes identity walks this table, so a field cannot be known in one place and
 * forgotten in another. All fields are optional and independent: none is derived from another.
 */
export const WORKFLOW_FIELDS = [
  { key: 'workflowId', header: 'X-Workflow-Id', field: 'workflow_id', attribute: 'forge.workflow.id' },
  {
    key: 'executionId',
    header: 'X-Workflow-Execution-Id',
    field: 'workflow_execution_id',
    attribute: 'forge.workflow.execution.id',
  },
  { key: 'stageId', header: 'X-Workflow-Stage-Id', field: 'stage_id', attribute: 'forge.workflow.stage.id' },
  { key: 'stepId', header: 'X-Workflow-Step-Id', field: 'step_id', attribute: 'forge.workflow.step.id' },
  {
    key: 'attempt',
    header: 'X-Workflow-Step-Attempt',
    field: 'attempt_epoch',
    attribute: 'forge.workflow.step.attempt',
  },
  { key: 'caller', header: 'X-Invocation-Caller', field: 'invocation_caller', attribute: 'forge.invocation.caller' },
] as const;

/** Answered on trusted workflow requests, so that a caller can name the run that served it. */
export const RUN_ID_HEADER = 'X-Workflow-Run-Id';

/**
 * Answered beside it, with the value `true`, where that run had an event when the answer began: whoever looks for it in the
 * ledger must find it. A run in which nothing has been recorded yet may stay without events for ever.
 */
export const RUN_RECORDED_HEADER = 'X-Workflow-Run-Recorded';

/** Set on every span that belongs to a request, a message or an orchestrator scope. */
export const RUN_ID_ATTRIBUTE = 'forge.run.id';

/** A span that carries this attribute is an audit event of that name, whatever the rules say. */
export const AUDIT_EVENT_ATTRIBUTE = 'forge.audit.event';

/** Forge's own inbound correlation id. Recorded as `fields.caller_correlation_id`, never as our `correlation_id`. */
export const CORRELATION_ID_HEADER = 'X-Forge-Correlation-Id';

/** Who and where in a workflow. An absent property is unknown; it is never `''` or `null`. */
export interface WorkflowIdentity {
  /** The definition; stable over all its executions. */
  readonly workflowId?: string;
  /** One execution of the definition. */
  readonly executionId?: string;
  readonly stageId?: string;
  readonly stepId?: string;
  /** The n-th try of the step, from 1. */
  readonly attempt?: number;
  /** Producer name of the caller: a claim, unless the trust gate verified it. */
  readonly caller?: string;
}
