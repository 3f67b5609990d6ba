import type { ConflictFinding, Finding, GapFinding } from '../verify/finding.ts';
import type { ForgeEntry } from './forge-ledger.ts';

/**
 * Judges the numbers of one invocation, contiguous from 1. A caller that names the correlation itself may use it twice: then the
 * numbers begin anew, and that is another invocation (I9).
 *
 * @param entries all of one `(correlation_id, task_id)`, or of one execution, in stream order.
 * @param fromStart whether number 1 must be there.
 */
export function checkInvocation(entries: readonly ForgeEntry[], fromStart: boolean): (GapFinding | ConflictFinding)[] {
  const calls: Map<number, ForgeEntry>[] = [];
  const conflicts: ConflictFinding[] = [];
  for (const entry of entries) {
    const { seq } = entry.place;
    const call = callOf(calls, seq);
    if (call !== undefined) call.set(seq, entry);
    else if (seq === 1 || calls.length === 0) calls.push(new Map([[seq, entry]]));
    else conflicts.push(conflict(calls.at(-1)?.get(seq), entry));
  }
  return [...calls.flatMap((call) => gapsOf(call, fromStart)), ...conflicts];
}

/** The call that lacks this number: one that has the number before it, if there is one; else the last. */
function callOf(calls: readonly Map<number, ForgeEntry>[], seq: number): Map<number, ForgeEntry> | undefined {
  const lacking = calls.filter((call) => !call.has(seq));
  // A second number 1 is a second call, and not what the first one had lost.
  if (seq === 1) return lacking[0];
  return lacking.findLast((call) => call.has(seq - 1)) ?? lacking.at(-1);
}

function gapsOf(call: ReadonlyMap<number, ForgeEntry>, fromStart: boolean): GapFinding[] {
  const entries = [...call.values()].sort((a, b) => a.place.seq - b.place.seq);
  let before = { seq: fromStart ? 0 : (entries[0]?.place.seq ?? 1) - 1, streamSeq: 0 };
  return entries.flatMap(({ place }) => {
    const { seq: last, streamSeq: afterStreamSeq } = before;
    before = place;
    if (place.seq === last + 1) return [];
    const eventId = `${place.runId}:${last + 1}`;
    return [
      { cause: 'gap', ...place, eventId, seq: last + 1, lastSeq: place.seq - 1, afterStreamSeq },
    ] satisfies Finding[];
  });
}

function conflict(first: ForgeEntry | undefined, second: ForgeEntry): ConflictFinding {
  const contents = [first, second].flatMap((entry) =>
    entry === undefined ? [] : [{ hash: entry.hash, streamSeq: entry.place.streamSeq }],
  );
  return { cause: 'conflict', ...second.place, contents };
}
