import type { BatchedRecords, LedgerRecord } from '@spanledger/protocol';

/** Where records come from: a stream source, a file, an array. Each is read once, in any order. */
export type LedgerRecords = BatchedRecords | AsyncIterable<LedgerRecord> | Iterable<LedgerRecord>;

/** Calls `visit` for each record. What is at hand already is not awaited: that would cost a turn per record. */
export async function forEachRecord(records: LedgerRecords, visit: (record: LedgerRecord) => void): Promise<void> {
  if (Symbol.iterator in records) {
    for (const record of records) visit(record);
  } else if ('batches' in records) {
    for await (const batch of records.batches()) for (const record of batch) visit(record);
  } else {
    for await (const record of records) visit(record);
  }
}
