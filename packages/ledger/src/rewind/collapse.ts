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
  /** Takes in what is read. Default: one of its own. Its `forgotten` says whether its bound was reached. */
  readonly index?: AttemptIndex;
}

/**
 * What is left of a ledger that has an end, in the order and with the stream sequences that it has. With `none` it is what is given.
 *
 * Which attempts are superseded is known only at the end: records are held in memory until then. Given as a function they are opened
 * twice instead, and nothing is held but the index; what the second reading has beyond the first is not given.
 *
 * It rejects only if `records` does.
 */
export async function* collapse(
  records: LedgerRecords | (() => LedgerRecords),
  mode: CollapseMode,
  { index = new AttemptIndex() }: CollapseOptions = {},
): AsyncGenerator<CollapsedRecord, void, void> {
  const open = (): LedgerRecords => (typeof records === 'function' ? records() : records);
  if (mode === 'none') return yield* open();
  const held: LedgerRecord[] | undefined = typeof records === 'function' ? undefined : [];
  let lastSeq = 0;
  await forEachRecord(open(), (record) => {
    const event = parseEvent(record.bytes);
    if (event !== undefined) index.see(event);
    lastSeq = Math.max(lastSeq, record.streamSeq);
    held?.push(record);
  });
  for await (const record of held ?? open()) {
    if (record.streamSeq > lastSeq) continue;
    const event = parseEvent(record.bytes);
    if (event === undefined || !index.isSuperseded(event)) yield record;
    else if (mode === 'mark') yield { ...record, superseded: true };
  }
}
