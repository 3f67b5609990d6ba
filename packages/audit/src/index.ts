export type { AuditPipeline, Durability, ShutdownOptions } from './audit-pipeline.ts';
export { audit } from './emit/audit.ts';
export type { AuthFailOptions, AuthFailReason, AuthVerifyOptions } from './emit/auth-events.ts';
export type { EmitOptions } from './emit/emit-event.ts';
export type { GuardOptions } from './emit/guard.ts';
export { requestGate } from './emit/request-gate.ts';
export type { RequestGateOptions, RequestRefusal } from './emit/request-gate.ts';
export type { EventDetails, EventInput, SpanReference } from './event-input.ts';
export type { AdoptedJournal } from './journal/adopted-journal.ts';
export type { AppendOutcome, Journal, JournalStats, OnLost } from './journal/journal.ts';
export type { JournalOptions } from './journal/journal-options.ts';
export type { JournaledEvent } from './journal/journaled-event.ts';
export { openJournal } from './journal/open-journal.ts';
export { readJournal, type JournalContents } from './journal/read-journal.ts';
export type { JournalDamage } from './journal/recovery.ts';
export type { PositionRange } from './journal/replay-plan.ts';
export { createAuditPipeline } from './pipeline/create-pipeline.ts';
export type { PipelineHealth } from './pipeline/health.ts';
export type { AuditPipelineOptions } from './pipeline/pipeline-options.ts';
export { getPipeline, registerPipeline } from './pipeline/registry.ts';
export type { BracketPoint, LifecycleMode, RunBrackets } from './pipeline/run-brackets.ts';
export type { RedactionOptions, RedactionPolicy } from './redaction/redaction-options.ts';
export type {
  DataRule,
  Designation,
  DesignationRule,
  DesignationRules,
  FunctionRule,
  LifecycleRule,
  RecordLevel,
  RuleCondition,
  RuleEvents,
  RuleFields,
  TextMatch,
} from './rules/designation-rule.ts';
export { compileRules } from './rules/compile-rules.ts';
export { explainRules, type RuleExplanation, type SpanExplanation } from './rules/explain-rules.ts';
export { genai, type GenaiRuleOptions } from './rules/genai.ts';
export { http, type HttpRuleOptions } from './rules/http.ts';
export { lifecycle } from './rules/lifecycle.ts';
export { createKeyRing } from './signing/key-ring.ts';
export type { KeyRing, KeyRingOptions, KeyText, SigningKeys } from './signing/key-ring.ts';
export { keysRoute, type KeysRoute, type KeysRouteOptions } from './signing/keys-route.ts';
export type { SigningHealth, SigningOptions } from './signing/signing.ts';
export { fanOutSink } from './sinks/fan-out-sink.ts';
export { fileSink } from './sinks/file-sink.ts';
export { memorySink, type MemorySink, type MemorySinkOptions } from './sinks/memory-sink.ts';
export { AuditSpanExporter } from './span/audit-span-exporter.ts';
export type { AuditSpanExporterOptions, ExportResultShape } from './span/audit-span-exporter.ts';
export { AuditSpanProcessor, type AuditSpanOptions } from './span/audit-span-processor.ts';
export { GenAiContentProcessor, type GenAiContentOptions } from './span/genai-content-processor.ts';
export type { LogRecordView } from './span/log-record-view.ts';
export type { FaultKind } from './span/span-faults.ts';
export type { SpanEventView, SpanView } from './span/span-view.ts';
export type { TranscriptOptions } from './transcripts/transcript-options.ts';
export { memoryAttemptStore } from './workflow/memory-attempt-store.ts';
export type { StepAttempt, StepFunction } from './workflow/step.ts';
export { workflow } from './workflow/workflow.ts';
export type { StepOptions, WorkflowOptions } from './workflow/workflow-options.ts';
export type { WorkflowRun } from './workflow/workflow-run.ts';
