import { eventId, parseEvent } from '@spanledger/protocol';
import { forEachRecord } from '../records/records.ts';
import type { LedgerRecords } from '../records/records.ts';
import { AttemptIndex } from '../rewind/attempt-index.ts';
import type { CollapseMode } from '../rewind/collapse.ts';
import type { Timeline, TimelineEntry } from './timeline-node.ts';
import { buildTree } from './timeline-tree.ts';

export interface TimelineOptions {
  /**
   * What becomes of events of superseded attempts: `superseded` leaves them out of list and tree, `mark` marks their entries. Default
   * `none`: they are there like all others.
   */
  readonly collapse?: CollapseMode;
}

/**
 * Lays out what happened in one execution. It shows and does not judge (`verify` does): copies of the same bytes appear
 * once, the contents of a conflict each, and what cannot be read, or has no run, not at all.
 *
 * It holds every event in memory. It rejects only if `records` does.
 */
export async function timeline(records: LedgerRecords, { collapse = 'none' }: TimelineOptions = {}): Promise<Timeline> {
  const seen = new Map<string, Uint8Array[]>();
  const entries: TimelineEntry[] = [];
  await forEachRecord(records, ({ bytes, streamSeq }) => {
    const event = parseEvent(bytes);
    if (event === undefined) return;
    const id = eventId({ runId: event.run_id, seq: event.seq });
    const contents = seen.get(id) ?? [];
    if (contents.some((known) => sameBytes(known, bytes))) return;
    contents.push(bytes);
    seen.set(id, contents);
    entries.push({ eventId: id, streamSeq, event });
  });
  entries.sort(byTime);
  const shown = collapse === 'none' ? entries : collapsed(entries, collapse);
  return { entries: shown, roots: buildTree(shown) };
}

function collapsed(entries: readonly TimelineEntry[], mode: CollapseMode): TimelineEntry[] {
  // Less than the events, which are held anyway.
  const index = new AttemptIndex({ heldMax: Infinity });
  for (const { event } of entries) index.see(event);
  const isLive = ({ event }: TimelineEntry): boolean => !index.isSuperseded(event);
  if (mode === 'superseded') return entries.filter(isLive);
  return entries.map((entry) => (isLive(entry) ? entry : { ...entry, superseded: true }));
}

function byTime(a: TimelineEntry, b: TimelineEntry): number {
  if (a.event.ts !== b.event.ts) return a.event.ts < b.event.ts ? -1 : 1;
  return a.streamSeq - b.streamSeq;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
