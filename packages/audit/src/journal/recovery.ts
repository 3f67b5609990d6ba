import { AcknowledgedSet } from './acknowledged-set.ts';
import { acknowledgedPath, readIfExists, segmentNumbers, segmentPath } from './journal-files.ts';
import { lostPositions, mergeRanges, planPieces, positionsOf } from './replay-plan.ts';
import type { PositionRange, ReplayPiece } from './replay-plan.ts';
import { scanSegment } from './scan-segment.ts';
import type { BadRegion, SegmentScan } from './scan-segment.ts';

/** Bytes of a segment that cannot be read as events. */
export interface JournalDamage {
  /** The file; it has been kept in the quarantine, unless it is `torn`. */
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
  /**
   * - `torn`: a write that was cut short, at the end; it was never accepted, and is left out.
   * - `unsynced`: whole sectors of zeros where frames should be, in a file that was still written to. A power cut leaves them
   *   where the kernel had written out later pages first; then nobody was told that these events are durable.
   * - `corrupt`: what was once whole has been changed.
   */
  readonly kind: 'torn' | 'unsynced' | 'corrupt';
}

/** What is left of a segment. */
export interface RecoveredSegment {
  readonly number: number;
  readonly bytes: number;
  readonly scan: SegmentScan;
  readonly acknowledged: AcknowledgedSet;
}

export interface RecoveredJournal {
  readonly segments: ReadonlyMap<number, RecoveredSegment>;
  /** Every event that can be read, once each, in order. */
  readonly pieces: readonly ReplayPiece[];
  readonly damages: readonly JournalDamage[];
  /** Positions that were accepted and are nowhere in the journal. */
  readonly lost: readonly PositionRange[];
}

/** Reads what a dead process has left, one segment at a time; changes nothing. */
export async function recover(folder: string): Promise<RecoveredJournal> {
  const segments = new Map<number, RecoveredSegment>();
  const damages: JournalDamage[] = [];
  for (const number of segmentNumbers(folder)) {
    const file = segmentPath(folder, number);
    const bytes = (await readIfExists(file)) ?? Buffer.alloc(0);
    const scan = scanSegment(bytes);
    const saved = await readIfExists(acknowledgedPath(folder, number));
    const acknowledged = AcknowledgedSet.parse(saved, scan.first ?? 1);
    segments.set(number, { number, bytes: bytes.length, scan, acknowledged });
    // It ends with room for more frames: it was still written to, and not all of it need have been synced.
    const wasOpen = scan.end < bytes.length;
    damages.push(...scan.bad.map((region) => toDamage(file, region, wasOpen)));
  }
  const scans = [...segments].map(([number, { scan }]) => ({ number, scan }));
  const pieces = planPieces(scans);
  return { segments, pieces, damages, lost: lostPositions(scans, pieces) };
}

/** Of `lost`, what is not acknowledged. */
export function lostUnacknowledged({ lost, segments }: RecoveredJournal): PositionRange[] {
  const all = [...segments.values()];
  const isAcknowledged = (position: number): boolean => all.some(({ acknowledged }) => acknowledged.has(position));
  const left = lost.flatMap(positionsOf).filter((position) => !isAcknowledged(position));
  return mergeRanges(left.map((position) => ({ from: position, to: position })));
}

function toDamage(file: string, { offset, bytes, torn, hasHole }: BadRegion, wasOpen: boolean): JournalDamage {
  return { file, offset, bytes, kind: torn ? 'torn' : wasOpen && hasHole ? 'unsynced' : 'corrupt' };
}
