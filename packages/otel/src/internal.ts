// For the packages of this repository, which are released together. It changes without notice.
export { isAbortError } from './abort-error.ts';
export { watchAnsweredRuns } from './answered-runs.ts';
export type { AnsweredRun } from './answered-runs.ts';
export { linkSpan, workflowOf, workflowOfSpan } from './link-span.ts';
export { markProbe } from './pipeline-probe.ts';
export { processState } from './process-state.ts';
export { boundText } from './redaction/bound-text.ts';
export { loggable } from './redaction/loggable.ts';
export { redactedLogger } from './redaction/redacted-logger.ts';
export { isMarked, plainMark, scrubText } from './redaction/scrub-text.ts';
export type { Mark } from './redaction/scrub-text.ts';
export { SECRET_NAME } from './redaction/secret-patterns.ts';
export { beginRun, setRunLifecycle } from './run-lifecycle.ts';
export type { RunLifecycle, RunOutcome } from './run-lifecycle.ts';
export { Run } from './run.ts';
export { getWorkflowContext, setWorkflowContext } from './workflow-context.ts';
export type { WorkflowContext } from './workflow-context.ts';
