import type { CollapsedRecord } from '@spanledger/ledger';
import { parseEvent } from '@spanledger/protocol';

/** The events of one run in the order of their numbers; of identical copies the first, of different contents each. */
export async function* oneRun(
  records: AsyncIterable<CollapsedRecord>,
  runId: string,
): AsyncGenerator<CollapsedRecord, void, void> {
  const bySeq = new Map<number, CollapsedRecord[]>();
  for await (const record of records) {
    const event = parseEvent(record.bytes);
    if (event?.run_id !== runId) continue;
    const known = bySeq.get(event.seq) ?? [];
    if (known.some(({ bytes }) => Buffer.compare(bytes, record.bytes) === 0)) continue;
    bySeq.set(event.seq, [...known, record]);
  }
  for (const seq of [...bySeq.keys()].sort((a, b) => a - b)) yield* bySeq.get(seq)!;
}
