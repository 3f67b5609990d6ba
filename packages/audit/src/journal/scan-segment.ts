import { claimedLength, findFrame, frameLengthAt, positionAt } from './frame.ts';
import { SEGMENT_HEADER_BYTES, firstPosition } from './segment-header.ts';

/** Whole frames, one after the other in the file and without a gap in their positions. */
export interface FrameRun {
  readonly from: number;
  to: number;
  /** Where the first one begins. */
  readonly offset: number;
}

/** Bytes of a segment that are no whole frame. */
export interface BadRegion {
  readonly offset: number;
  readonly bytes: number;
  /** The end of the segment, and shorter than the frame that was begun: a write that was cut short. */
  readonly torn: boolean;
  /** A frame that was once whole is the last thing here: its position is lost, though nothing after it shows that. */
  readonly wasLastFrame: boolean;
  /** A sector of zeros is in it, as there is where the disk never got what was written: no event has one. */
  readonly hasHole: boolean;
}

export interface SegmentScan {
  /** Position of the first frame that was ever written to it; `undefined` if that is not known. */
  readonly first: number | undefined;
  readonly runs: readonly FrameRun[];
  readonly bad: readonly BadRegion[];
  /** Where the last byte is that was written: after it come zeros, or nothing. */
  readonly end: number;
}

const ZEROS = Buffer.alloc(4096);
const SECTOR_BYTES = 512;

/**
 * Finds every whole frame of a segment, whatever is between them. A tail of zeros, which was never written to, is a clean end.
 * `bytes` must be all of the segment, or all of it up to a frame's end.
 */
export function scanSegment(bytes: Buffer): SegmentScan {
  const data = bytes.subarray(0, lengthWithoutZeros(bytes));
  const end = data.length;
  if (end === 0) return { first: undefined, runs: [], bad: [], end };
  const header = firstPosition(bytes);
  const runs: FrameRun[] = [];
  const bad: BadRegion[] = [];
  if (header === undefined) bad.push(badRegion(data, 0, Math.min(SEGMENT_HEADER_BYTES, data.length)));
  let offset = SEGMENT_HEADER_BYTES;
  while (offset < data.length) {
    const length = frameLengthAt(data, offset);
    if (length === undefined) {
      const next = findFrame(data, offset + 1) ?? data.length;
      bad.push(badRegion(data, offset, next));
      offset = next;
    } else {
      addFrame(runs, positionAt(data, offset), offset, bad.at(-1));
      offset += length;
    }
  }
  return { first: header ?? runs[0]?.from, runs, bad, end };
}

function addFrame(runs: FrameRun[], position: number, offset: number, lastBad: BadRegion | undefined): void {
  const run = runs.at(-1);
  const interrupted = run !== undefined && lastBad !== undefined && lastBad.offset > run.offset;
  if (run !== undefined && !interrupted && position === run.to + 1) run.to = position;
  else runs.push({ from: position, to: position, offset });
}

function badRegion(data: Buffer, offset: number, end: number): BadRegion {
  const isTail = end === data.length;
  const length = claimedLength(data, offset);
  const wasLastFrame = isTail && offset > 0 && length !== undefined && offset + length <= data.length;
  const hasHole = hasZeroSector(data, offset, end);
  return { offset, bytes: end - offset, torn: isTail && !wasLastFrame, wasLastFrame, hasHole };
}

/** Of the sectors that are in the region, or partly. */
function hasZeroSector(data: Buffer, offset: number, end: number): boolean {
  for (let at = offset - (offset % SECTOR_BYTES); at < end; at += SECTOR_BYTES) {
    const sector = data.subarray(at, at + SECTOR_BYTES);
    if (sector.equals(ZEROS.subarray(0, sector.length))) return true;
  }
  return false;
}

function lengthWithoutZeros(bytes: Buffer): number {
  let end = bytes.length;
  while (end >= ZEROS.length && bytes.subarray(end - ZEROS.length, end).equals(ZEROS)) end -= ZEROS.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return end;
}
