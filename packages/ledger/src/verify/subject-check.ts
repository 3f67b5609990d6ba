import { AUDIT_SUBJECT, decodeSubject, eventId } from '@spanledger/protocol';
import type { AuditEvent, SubjectParts } from '@spanledger/protocol';
import type { ProducerMismatchFinding, SubjectMismatchFinding } from './finding.ts';

/** I7: subjects that are remembered. Runs that go on at the same time have a few hundred. */
const SUBJECTS_MAX = 4_096;

/** Whether an event says of itself what its subject says: a permission binds a producer to subjects, and a reader asks by them. */
export class SubjectCheck {
  /** Subjects repeat, event after event, and decoding one costs a fifth of verifying an event. */
  readonly #decoded = new Map<string, SubjectParts | undefined>();

  check(
    event: AuditEvent,
    subject: string | undefined,
    streamSeq: number,
  ): ProducerMismatchFinding | SubjectMismatchFinding | undefined {
    if (subject === undefined || subject === AUDIT_SUBJECT) return undefined;
    const parts = this.#parts(subject);
    const { run_id: runId, seq, producer } = event;
    const isOwn = parts?.producer === producer;
    const isSame = parts?.workflowId === event.workflow_id && parts?.executionId === event.workflow_execution_id;
    if (isOwn && isSame) return undefined;
    const place = { runId, seq, eventId: eventId({ runId, seq }), streamSeq, subject };
    return isOwn ? { cause: 'subject_mismatch', ...place } : { cause: 'producer_mismatch', ...place, producer };
  }

  #parts(subject: string): SubjectParts | undefined {
    const known = this.#decoded.get(subject);
    if (known !== undefined) return known;
    if (this.#decoded.size >= SUBJECTS_MAX) this.#decoded.clear();
    const parts = decodeSubject(subject);
    this.#decoded.set(subject, parts);
    return parts;
  }
}
