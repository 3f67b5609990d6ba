import { AUDIT_SUBJECT, decodeSubject, eventId } from '@spanledger/protocol';
import type { AuditEvent, SubjectParts } from '@spanledger/protocol';
import type { ProducerMismatchFinding, SubjectMismatchFinding } from './finding.ts';

/** A subject, and what it says. */
export interface Address {
  readonly subject: string;
  readonly parts: SubjectParts | undefined;
}

/** @param known of the event before: they repeat in a run, and decoding one costs a fifth of verifying an event. */
export function addressOf(subject: string, known: Address | undefined): Address {
  return known?.subject === subject ? known : { subject, parts: decodeSubject(subject) };
}

/** Whether an event says of itself what its subject says: a permission binds a producer to subjects, and a reader asks by them. */
export function checkSubject(
  event: AuditEvent,
  { subject, parts }: Address,
  streamSeq: number,
): ProducerMismatchFinding | SubjectMismatchFinding | undefined {
  if (subject === AUDIT_SUBJECT) return undefined;
  const { run_id: runId, seq, producer } = event;
  const isOwn = parts?.producer === producer;
  const isSame = parts?.workflowId === event.workflow_id && parts?.executionId === event.workflow_execution_id;
  if (isOwn && isSame) return undefined;
  const place = { runId, seq, eventId: eventId({ runId, seq }), streamSeq, subject };
  return isOwn ? { cause: 'subject_mismatch', ...place } : { cause: 'producer_mismatch', ...place, producer };
}
