import { AUDIT_SUBJECT, decodeSubject, eventId } from '@spanledger/protocol';
import type { AuditEvent, SubjectParts } from '@spanledger/protocol';
import type { ProducerMismatchFinding, SubjectMismatchFinding } from './finding.ts';

/** Whether an event says of itself what its subject says: a permission binds a producer to subjects, and a reader asks by them. */
export class SubjectCheck {
  /** Subjects repeat, event after event: one is decoded once. */
  #last: { readonly subject: string; readonly parts: SubjectParts | undefined } | undefined;

  check(
    event: AuditEvent,
    subject: string | undefined,
    streamSeq: number,
  ): ProducerMismatchFinding | SubjectMismatchFinding | undefined {
    if (subject === undefined || subject === AUDIT_SUBJECT) return undefined;
    const parts = this.#parts(subject);
    const { run_id: runId, seq, producer } = event;
    const place = { runId, seq, eventId: eventId({ runId, seq }), streamSeq, subject };
    if (parts?.producer !== producer) return { cause: 'producer_mismatch', ...place, producer };
    const isSame = parts.workflowId === event.workflow_id && parts.executionId === event.workflow_execution_id;
    return isSame ? undefined : { cause: 'subject_mismatch', ...place };
  }

  #parts(subject: string): SubjectParts | undefined {
    if (this.#last?.subject !== subject) this.#last = { subject, parts: decodeSubject(subject) };
    return this.#last.parts;
  }
}
