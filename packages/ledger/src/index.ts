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
  ProducerAbsentFinding,
  ProducerMismatchFinding,
  SignatureFinding,
  SubjectMismatchFinding,
  UnnumberedLossFinding,
  UnparsableFinding,
} from './verify/finding.ts';
export { AttemptIndex } from './rewind/attempt-index.ts';
export type { AttemptIndexOptions } from './rewind/attempt-index.ts';
export { collapse } from './rewind/collapse.ts';
export type { CollapseMode, CollapseOptions, CollapsedRecord } from './rewind/collapse.ts';
export { LiveCollapse, collapseLive } from './rewind/live-collapse.ts';
export type { LiveCollapseOptions, LiveEvent, LiveItem, LiveRewind } from './rewind/live-collapse.ts';
export type { EventOfAttempt, StepEpoch } from './rewind/step-epoch.ts';
export type { Notification, NotificationLink, NotificationStatus } from './notify/notification.ts';
export { memoryNotificationState } from './notify/notification-state.ts';
export type { NotificationMemory, NotificationState, RememberedNotification } from './notify/notification-state.ts';
export { NotificationError } from './notify/notifier.ts';
export type { NotificationDelivery, NotificationErrorOptions, Notifier } from './notify/notifier.ts';
export { notify } from './notify/notify.ts';
export type { NotifyOptions, NotifyResult } from './notify/notify.ts';
export type { NotificationFailure } from './notify/outbox.ts';
export type { LinkTemplates, NotificationKey } from './notify/render.ts';
export { webhookNotifier } from './notify/webhook-notifier.ts';
export type { WebhookBody, WebhookOptions } from './notify/webhook-notifier.ts';
export { ndjsonRecords } from './records/ndjson-records.ts';
export type { LedgerRecords } from './records/records.ts';
export { rollup } from './rollup/rollup.ts';
export type { RollupOptions } from './rollup/rollup.ts';
export type { LatencySummary } from './rollup/latency-sketch.ts';
export type { ModelTokens, Outcome, Rollup, StepRollup, TokenTotals, WorkflowRollup } from './rollup/rollup-report.ts';
export { LedgerRoster, roster } from './roster/roster.ts';
export type { RosterOptions } from './roster/roster.ts';
export type { DispatchState, DispatchedRun, RosterReport } from './roster/roster-report.ts';
export type { LedgerCounts, LedgerReport, RunState, RunSummary } from './verify/report.ts';
export type { SignatureOptions } from './verify/signature-check.ts';
export { timeline } from './timeline/timeline.ts';
export type { TimelineOptions } from './timeline/timeline.ts';
export type { Timeline, TimelineEntry, TimelineNode } from './timeline/timeline-node.ts';
export { summariseNode } from './timeline/timeline-summary.ts';
export type { TimelineSummary } from './timeline/timeline-summary.ts';
export { LedgerVerifier, verify } from './verify/verify.ts';
export type { VerifyOptions } from './verify/verify.ts';
