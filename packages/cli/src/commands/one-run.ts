import { parseEvent } from '@spanledger/protocol';
import type { LedgerRecord } from '@spanledger/protocol';

/** The events of one run in the order of their numbers; of identical copies the first, of different contents each. */
export async function* oneRun(
  records: AsyncIterable<LedgerRecord>,
  runId: string,
): AsyncGenerator<LedgerRecord, void, void> {
  const bySeq = new Map<number, LedgerRecord[]>();
  for await (const record of records) {
    const event = parseEvent(record.bytes);
    if (event?.run_id !== runId) continue;
    const known = bySeq.get(event.seq) ?? [];
    if (known.some(({ bytes }) => Buffer.compare(bytes, record.bytes) === 0)) continue;
    bySeq.set(event.seq, [...known, record]);
  }
  for (const seq of [...bySeq.keys()].sort((a, b) => a - b)) yield* bySeq.get(seq)!;
}
