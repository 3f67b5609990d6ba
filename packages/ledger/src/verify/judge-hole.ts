import { eventId } from '@spanledger/protocol';
import type { GapFinding, LossFinding } from './finding.ts';
import type { RangeReport } from './loss.ts';

/**
 * Splits a hole in a run's numbers into what is reported lost and what is not. It costs as much as there are reports,
 * not as there are numbers: a hostile number may be 2^53.
 *
 * @param streamSeq where the hole shows: the event after it.
 * @param losses of this run, by first number.
 */
export function judgeHole(
  runId: string,
  firstSeq: number,
  lastSeq: number,
  streamSeq: number,
  losses: readonly RangeReport[],
): (GapFinding | LossFinding)[] {
  const found: (GapFinding | LossFinding)[] = [];
  const gap = (seq: number, last: number): void => {
    if (seq <= last)
      found.push({ cause: 'gap', runId, seq, lastSeq: last, eventId: eventId({ runId, seq }), streamSeq });
  };
  let open = firstSeq;
  for (const loss of losses) {
    const from = Math.max(open, loss.range.firstSeq);
    const to = Math.min(lastSeq, loss.range.lastSeq);
    // Beside the hole, or reported by another one already.
    if (from > to) continue;
    gap(open, from - 1);
    found.push({
      cause: 'loss',
      runId,
      seq: from,
      lastSeq: to,
      eventId: eventId({ runId, seq: from }),
      streamSeq: loss.streamSeq,
      reason: loss.reason,
      reportedBy: eventId({ runId: loss.runId, seq: loss.seq }),
    });
    open = to + 1;
  }
  gap(open, lastSeq);
  return found;
}
