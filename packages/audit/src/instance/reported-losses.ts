import type { AuditEvent } from '@spanledger/protocol';
import type { LossRange } from '../pipeline/open-losses.ts';

type NumberRange = Pick<LossRange, 'firstSeq' | 'lastSeq'>;

/** What the `audit_loss` events of one journal name. Each number is in one of them, as whoever writes them sees to. */
export class ReportedLosses {
  readonly #byRun = new Map<string, NumberRange[]>();

  see({ event, fields }: AuditEvent): void {
    if (event !== 'audit_loss') return;
    const { run_id: runId, first_seq: firstSeq, last_seq: lastSeq } = fields ?? {};
    if (typeof runId !== 'string' || typeof firstSeq !== 'number' || typeof lastSeq !== 'number') return;
    const ranges = this.#byRun.get(runId);
    if (ranges === undefined) this.#byRun.set(runId, [{ firstSeq, lastSeq }]);
    else ranges.push({ firstSeq, lastSeq });
  }

  /** Whether all of it is reported. */
  names({ runId, firstSeq, lastSeq }: LossRange): boolean {
    const named = (this.#byRun.get(runId) ?? []).map((range) =>
      Math.max(0, Math.min(range.lastSeq, lastSeq) - Math.max(range.firstSeq, firstSeq) + 1),
    );
    return named.reduce((sum, count) => sum + count, 0) > lastSeq - firstSeq;
  }
}
