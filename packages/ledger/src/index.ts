export type {
  BrokenChainFinding,
  CheckpointMismatchFinding,
  ClockSkewFinding,
  ConflictFinding,
  Finding,
  ForeignProducerFinding,
  ForkFinding,
  GapFinding,
  LossFinding,
  ProducerMismatchFinding,
  SignatureFinding,
  SubjectMismatchFinding,
  UnnumberedLossFinding,
  UnparsableFinding,
} from './finding.ts';
export { ndjsonRecords } from './ndjson-records.ts';
export type { LedgerRecords } from './records.ts';
export { rollup } from './rollup.ts';
export type { RollupOptions } from './rollup.ts';
export type { LatencySummary } from './latency-sketch.ts';
export type { ModelTokens, Outcome, Rollup, StepRollup, TokenTotals, WorkflowRollup } from './rollup-report.ts';
export { LedgerRoster, roster } from './roster.ts';
export type { RosterOptions } from './roster.ts';
export type { DispatchState, DispatchedRun, ProducerAbsentFinding, RosterReport } from './roster-report.ts';
export type { LedgerCounts, LedgerReport, RunState, RunSummary } from './report.ts';
export type { SignatureOptions } from './signature-check.ts';
export { timeline } from './timeline.ts';
export type { Timeline, TimelineEntry, TimelineNode } from './timeline-node.ts';
export { summariseNode } from './timeline-summary.ts';
export type { TimelineSummary } from './timeline-summary.ts';
export { LedgerVerifier, verify } from './verify.ts';
export type { VerifyOptions } from './verify.ts';
