import { SpanledgerError } from '@spanledger/protocol';
import type { LedgerRecord } from '@spanledger/protocol';
import { readIfExists, segmentNumbers, segmentPath } from './journal-files.ts';
import { inTurns, readRun } from './journaled-event.ts';
import { recover } from './recovery.ts';
import type { JournalDamage, RecoveredJournal } from './recovery.ts';
import type { PositionRange } from './replay-plan.ts';

/** A journal as an onlooker sees it. */
export interface JournalContents {
  readonly folder: string;
  /** Events that can be read. */
  readonly events: number;
  /**
   * Nothing has been removed from it. Whole segments are, once they are acknowledged and their retention is over: then the
   * runs in it may begin, or go on, elsewhere.
   */
  readonly isWhole: boolean;
  readonly damages: readonly JournalDamage[];
  /** Positions of events that were accepted and cannot be read any more. */
  readonly lost: readonly PositionRange[];
  /** Every event that can be read, once, in order; `streamSeq` is the position. One segment is in memory at a time. */
  records(): AsyncGenerator<LedgerRecord, void, void>;
}

/**
 * Looks into the journal of a process, living or dead: takes no lock, changes nothing, keeps nobody from adopting it. Of a living
 * one it is what was written when it was opened; segments that are removed meanwhile are passed over.
 *
 * @param folder one journal: `<directory>/<producer>/<id>`.
 * @throws SpanledgerError `SPANLEDGER_JOURNAL` if it cannot be read, or is no journal.
 */
export async function readJournal(folder: string): Promise<JournalContents> {
  const recovered = await look(folder);
  const numbers = [...recovered.segments.keys()];
  return {
    folder,
    events: recovered.pieces.reduce((sum, { from, to }) => sum + to - from + 1, 0),
    isWhole: numbers.every((number, index) => number === index + 1),
    damages: recovered.damages,
    lost: recovered.lost,
    records: () => readPieces(folder, recovered),
  };
}

async function look(folder: string): Promise<RecoveredJournal> {
  try {
    if (segmentNumbers(folder).length > 0) return await recover(folder);
  } catch (cause) {
    throw new SpanledgerError('SPANLEDGER_JOURNAL', `the journal ${folder} cannot be read`, { cause });
  }
  throw new SpanledgerError('SPANLEDGER_JOURNAL', `${folder} holds no journal`);
}

async function* readPieces(folder: string, { pieces }: RecoveredJournal): AsyncGenerator<LedgerRecord, void, void> {
  let number: number | undefined;
  let bytes: Buffer | undefined;
  for (const { segment, run, from, to } of pieces) {
    if (segment !== number) bytes = await readIfExists(segmentPath(folder, segment));
    number = segment;
    if (bytes === undefined) continue;
    const events = readRun({ segment: bytes, run, from, to, isScanned: false, isAcknowledged: () => false });
    for await (const { position, event } of inTurns(events)) {
      yield { bytes: event.bytes, streamSeq: position, subject: event.subject };
    }
  }
}
