import { parseEvent } from '@spanledger/protocol';
import type { LedgerRecord } from '@spanledger/protocol';
import { forEachRecord } from '../records/records.ts';
import type { LedgerRecords } from '../records/records.ts';
import { AttemptIndex } from './attempt-index.ts';

/**
 * How a reader is shown steps that were tried again: `superseded` leaves out the events of superseded attempts, `mark` marks them,
 * `none` shows everything as it is stored.
 */
export type CollapseMode = 'superseded' | 'mark' | 'none';

/** A record as it was read; where it is marked, a copy. */
export interface CollapsedRecord extends LedgerRecord {
  /** Only there where the mode is `mark`. */
  readonly superseded?: true;
}

export interface CollapseOptions {
  /**
   * Where attempts are looked for: the same source opened anew, or a wider part of it (other producers, older events). It is read to its
   * end first, then `records`, of which nothing is held, up to the place that was reached. Default: `records` themselves, held in memory.
   */
  readonly attemptsFrom?: LedgerRecords;
  /** Takes in what is read. Default: one of its own. Its `forgotten` says whether its bound was reached. */
  readonly index?: AttemptIndex;
}

/**
 * What is left of a ledger that has an end, in the order and with the stream sequences that it has. With `none` it is what is given.
 * Which attempts are superseded is known only when all is read.
 *
 * It rejects only if a source does.
 */
export async function* collapse(
  records: LedgerRecords,
  mode: CollapseMode,
  { attemptsFrom, index = new AttemptIndex() }: CollapseOptions = {},
): AsyncGenerator<CollapsedRecord, void, void> {
  if (mode === 'none') return yield* records;
  const held: LedgerRecord[] = [];
  let lastSeq = 0;
  await forEachRecord(attemptsFrom ?? records, (record) => {
    const event = parseEvent(record.bytes);
    if (event !== undefined) index.see(event);
    lastSeq = Math.max(lastSeq, record.streamSeq);
    if (attemptsFrom === undefined) held.push(record);
  });
  for await (const record of attemptsFrom === undefined ? held : records) {
    if (record.streamSeq > lastSeq) continue;
    const event = parseEvent(record.bytes);
    if (event === undefined || !index.isSuperseded(event)) yield record;
    else if (mode === 'mark') yield { ...record, superseded: true };
  }
}
