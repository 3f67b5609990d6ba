import { eventId } from '@spanledger/protocol';
import type { AuditEvent } from '@spanledger/protocol';
import { isName, isSeq, isSha256 } from './field-values.ts';
import type { Finding } from './finding.ts';
import type { RunContents } from './run-contents.ts';

/** An `audit_loss` event: what its producer says was lost. */
export interface LossReport {
  /** The run that the report itself is an event of. */
  readonly runId: string;
  readonly seq: number;
  /** Where its first copy is stored. */
  readonly streamSeq: number;
  readonly producer: string;
  readonly reason: string;
  /** How many events were lost; 0 if it does not say. */
  readonly count: number;
  /** Which ones; `undefined` if they had no numbers yet (or none that could be believed). */
  readonly range: LostNumbers | undefined;
}

/** Numbers of one run that were given to events which then were lost. */
interface LostNumbers {
  readonly runId: string;
  readonly firstSeq: number;
  /** `prev_hash` of the first lost event, if the report says: what the event before it is held to. */
  readonly prevHash: string | undefined;
  readonly lastSeq: number;
  /** Hash of the last lost event: the event after it links to this. */
  readonly lastHash: string;
}

/** A report that names numbers. */
export type RangeReport = LossReport & { readonly range: LostNumbers };

/** @param run the run that the event was added to, with this hash. */
export function readLoss(event: AuditEvent, hash: string, run: RunContents): LossReport {
  const { seq, producer } = event;
  const { reason, count } = event.fields ?? {};
  return {
    runId: run.runId,
    seq,
    // A copy from an earlier place may still arrive.
    get streamSeq() {
      return run.streamSeqOf(seq, hash);
    },
    producer,
    reason: isName(reason) ? reason : 'unknown',
    count: isSeq(count) ? count : 0,
    range: readRange(event),
  };
}

export function hasRange(loss: LossReport): loss is RangeReport {
  return loss.range !== undefined;
}

/** What was lost before it had a number. */
export function unnumberedLoss({ runId, seq, streamSeq, reason, count }: LossReport): Finding {
  return { cause: 'loss_unnumbered', runId, seq, eventId: eventId({ runId, seq }), streamSeq, count, reason };
}

/** Reports by the run whose numbers they name. */
export function groupByRun(losses: readonly RangeReport[]): Map<string, RangeReport[]> {
  const byRun = new Map<string, RangeReport[]>();
  for (const loss of losses) {
    const ofRun = byRun.get(loss.range.runId);
    if (ofRun === undefined) byRun.set(loss.range.runId, [loss]);
    else ofRun.push(loss);
  }
  return byRun;
}

function readRange(event: AuditEvent): LostNumbers | undefined {
  const { run_id: runId, first_seq: firstSeq, last_seq: lastSeq, last_hash: lastHash } = event.fields ?? {};
  const prevHash = event.fields?.['prev_hash'];
  if (!isName(runId) || !isSha256(lastHash)) return undefined;
  if (!isSeq(firstSeq) || !isSeq(lastSeq) || lastSeq < firstSeq) return undefined;
  return { runId, firstSeq, prevHash: isSha256(prevHash) ? prevHash : undefined, lastSeq, lastHash };
}
