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
export type { LedgerCounts, LedgerReport, RunState, RunSummary } from './report.ts';
export type { SignatureOptions } from './signature-check.ts';
export { timeline } from './timeline.ts';
export type { Timeline, TimelineEntry, TimelineNode } from './timeline-node.ts';
export { LedgerVerifier, verify } from './verify.ts';
export type { VerifyOptions } from './verify.ts';
