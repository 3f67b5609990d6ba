import { eventId, parseEvent } from '@spanledger/protocol';
import { forEachRecord } from '../records/records.ts';
import type { LedgerRecords } from '../records/records.ts';
import type { Timeline, TimelineEntry } from './timeline-node.ts';
import { buildTree } from './timeline-tree.ts';

/**
 * Lays out what happened in one execution. It shows and does not judge (`verify` does): copies of the same bytes appear
 * once, the contents of a conflict each, and what cannot be read, or has no run, not at all.
 *
 * It holds every event in memory. It rejects only if `records` does.
 */
export async function timeline(records: LedgerRecords): Promise<Timeline> {
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
  return { entries, roots: buildTree(entries) };
}

function byTime(a: TimelineEntry, b: TimelineEntry): number {
  if (a.event.ts !== b.event.ts) return a.event.ts < b.event.ts ? -1 : 1;
  return a.streamSeq - b.streamSeq;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
