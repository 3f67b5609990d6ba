export type { AttemptKey, AttemptRecord, AttemptStore, StoredAttempt } from './attempt-store.ts';
export { canonicalBytes } from './canonical.ts';
export { checkChain, type ChainCheck } from './check-chain.ts';
export { timerMs, within } from './deadline.ts';
export { GENESIS_HASH, SCHEMA_VERSION } from './envelope.ts';
export type { AuditEvent, AuditEventDraft, JsonValue } from './envelope.ts';
export { ERROR_CODES, SpanledgerError, type ErrorCode } from './errors.ts';
export {
  AGENT_EVENTS,
  AUDIT_EVENTS,
  BUS_ONLY_EVENTS,
  LEDGER_EVENTS,
  ORCHESTRATOR_EVENTS,
  REPORT_EVENTS,
  TERMINAL_EVENTS,
  isBusOnlyEvent,
  isEventName,
  isTerminalEvent,
} from './event-types.ts';
export { withoutForgeForm } from './forge-form.ts';
export { JWKS_PATH, readJwks } from './jwks.ts';
export type { Jwk, Jwks, VerificationKey } from './jwks.ts';
export type { BatchedRecords, LedgerRecord } from './ledger-record.ts';
export { parseEvent } from './parse-event.ts';
export { readTranscript, type TranscriptReading } from './read-transcript.ts';
export { UnsignedEventError, createChain, eventId, messageId, seal } from './seal.ts';
export type { Chain, EnvelopeForm, SealOptions, SealedEvent, Sha256 } from './seal.ts';
export type { EventSigner } from './sign.ts';
export { SIGNATURE_PROFILE, readSignature, signedBytes, type EventSignature } from './signature.ts';
export type { SealedTranscript } from './sealed-transcript.ts';
export type { AuditSink, PendingOutcome, SinkStatus, WriteOptions, WriteOutcome } from './sink.ts';
export { AUDIT_STREAM, AUDIT_SUBJECT, checkProducer, decodeSubject, encodeSubject, encodeToken } from './subject.ts';
export type { SubjectParts } from './subject.ts';
export { formatTimestamp } from './timestamp.ts';
export {
  TRANSCRIPT_KINDS,
  TRANSCRIPT_STREAM,
  TRANSCRIPT_SUBJECT,
  sealTranscript,
  transcriptReference,
  transcriptSubject,
  type ContentTranscript,
  type EventSummary,
  type SealTranscriptOptions,
  type SummaryTranscript,
  type TranscriptKey,
  type TranscriptKind,
  type TranscriptMessage,
  type TranscriptRecord,
} from './transcript.ts';
export {
  AUDIT_EVENT_ATTRIBUTE,
  CORRELATION_ID_HEADER,
  RUN_ID_ATTRIBUTE,
  RUN_ID_HEADER,
  RUN_RECORDED_HEADER,
  WORKFLOW_FIELDS,
  type WorkflowIdentity,
} from './workflow-fields.ts';
export { parseAttempt, parseId } from './workflow-values.ts';
