import type { ConflictFinding, Finding, GapFinding } from '../verify/finding.ts';
import type { ForgeEntry } from './forge-entry.ts';

/** Calls that are looked through for the one that an event belongs to (I7): more are hardly open at once under one correlation id. */
const OPEN_MAX = 1_000;

/** The events of one call, by number. */
interface Call {
  /** Empty until an event names it: a caller is authenticated before its request is read, and so has no task yet. */
  task: string;
  readonly entries: Map<number, ForgeEntry>;
}

/**
 * Judges the numbers of the calls under one correlation id, each contiguous from 1. Which task a call is, tells calls at the same time
 * apart. A caller that names the correlation itself may use it twice: then the numbers begin anew, and that is another call (I9).
 *
 * @param entries all of one `correlation_id`, or of one execution, in stream order.
 * @param fromStart whether number 1 must be there.
 */
export function checkInvocation(entries: readonly ForgeEntry[], fromStart: boolean): (GapFinding | ConflictFinding)[] {
  const calls: Call[] = [];
  const conflicts: ConflictFinding[] = [];
  for (const entry of entries) {
    const { seq } = entry.place;
    const ofTask = calls.slice(-OPEN_MAX).filter(({ task }) => task === '' || entry.task === '' || task === entry.task);
    const call = callOf(ofTask, entry);
    if (call !== undefined) {
      call.entries.set(seq, entry);
      call.task ||= entry.task;
    } else if (seq === 1 || ofTask.length === 0) calls.push({ task: entry.task, entries: new Map([[seq, entry]]) });
    else conflicts.push(conflict(ofTask.at(-1)?.entries.get(seq), entry));
  }
  return [...calls.flatMap((call) => gapsOf(call.entries, fromStart)), ...conflicts];
}

/** The call that lacks this number: one that has the number before it, if there is one, and is known to be of its task; else the last. */
function callOf(calls: readonly Call[], { task, place: { seq } }: ForgeEntry): Call | undefined {
  const lacking = calls.filter(({ entries }) => !entries.has(seq));
  // A second number 1 is a second call, and not what the first one had lost.
  if (seq === 1) return lacking[0];
  const before = lacking.filter(({ entries }) => entries.has(seq - 1));
  const candidates = before.length > 0 ? before : lacking;
  return candidates.findLast((call) => call.task === task) ?? candidates.at(-1);
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
