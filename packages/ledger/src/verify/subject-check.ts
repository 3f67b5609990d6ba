import { AUDIT_SUBJECT, decodeSubject, encodeSubject, eventId } from '@spanledger/protocol';
import type { AuditEvent } from '@spanledger/protocol';
import type { ProducerMismatchFinding, SubjectMismatchFinding } from './finding.ts';

/** Ids, and the subject that says the same. */
export interface Address {
  readonly subject: string;
  readonly workflowId: string | undefined;
  readonly executionId: string | undefined;
  readonly producer: string;
}

/**
 * @param known of the event before: they repeat in a run.
 * @returns where the event belongs, if that is where it is.
 */
export function addressOf(event: AuditEvent, subject: string, known: Address | undefined): Address | undefined {
  const { workflow_id: workflowId, workflow_execution_id: executionId, producer } = event;
  const isKnown =
    known?.subject === subject &&
    known.producer === producer &&
    known.executionId === executionId &&
    known.workflowId === workflowId;
  if (isKnown) return known;
  // Nobody vouches for their types. A subject is compared and not decoded, which costs three times as much.
  if (!isId(workflowId) || !isId(executionId) || !isId(producer)) return undefined;
  return encodeSubject({ workflowId, executionId, producer }) === subject
    ? { subject, workflowId, executionId, producer }
    : undefined;
}

/** What to say of an event that says something else of itself than its subject: a permission binds a producer to subjects, and a reader asks by them. */
export function mismatchOf(
  event: AuditEvent,
  subject: string,
  streamSeq: number,
): ProducerMismatchFinding | SubjectMismatchFinding | undefined {
  if (subject === AUDIT_SUBJECT) return undefined;
  const { run_id: runId, seq, producer } = event;
  const parts = decodeSubject(subject);
  const place = { runId, seq, eventId: eventId({ runId, seq }), streamSeq, subject };
  return parts?.producer === producer
    ? { cause: 'subject_mismatch', ...place }
    : { cause: 'producer_mismatch', ...place, producer };
}

/** What a subject says without loss. */
function isId(value: unknown): value is string | undefined {
  return value === undefined || (typeof value === 'string' && value !== '' && value.isWellFormed());
}
