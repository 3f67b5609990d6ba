import type { FrameRun, SegmentScan } from './scan-segment.ts';

/** Both ends are in it. */
export interface PositionRange {
  readonly from: number;
  readonly to: number;
}

export function positionsOf({ from, to }: PositionRange): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** A part of a run of frames to be read: its positions are in no other piece. */
export interface ReplayPiece extends PositionRange {
  readonly segment: number;
  readonly run: FrameRun;
}

interface NumberedScan {
  readonly number: number;
  readonly scan: SegmentScan;
}

/**
 * Every position once, in order. After a failed sync the frames that it covered were written again into a later segment:
 * then a position is in two, with the same bytes.
 */
export function planPieces(scans: readonly NumberedScan[]): ReplayPiece[] {
  const runs = scans.flatMap(({ number, scan }) => scan.runs.map((run) => ({ segment: number, run })));
  runs.sort((a, b) => a.run.from - b.run.from);
  const pieces: ReplayPiece[] = [];
  let next = 0;
  for (const { segment, run } of runs) {
    const from = Math.max(run.from, next);
    if (from > run.to) continue;
    pieces.push({ segment, run, from, to: run.to });
    next = run.to + 1;
  }
  return pieces;
}

/**
 * What should be there and is not. Where segments are missing between two others they were removed for good reason;
 * inside a segment, and from one to the next in number, positions follow each other.
 */
export function lostPositions(scans: readonly NumberedScan[], pieces: readonly PositionRange[]): PositionRange[] {
  const missing: PositionRange[] = [];
  let before: { readonly number: number; readonly next: number } | undefined;
  for (const { number, scan } of scans) {
    const continues = before?.number === number - 1 ? before.next : number === 1 ? 1 : undefined;
    if (scan.first === undefined) {
      // It is there, and nothing in it is: a power cut can leave it so between two others.
      if (continues !== undefined) before = { number, next: continues };
      continue;
    }
    let next = Math.min(continues ?? scan.first, scan.first);
    for (const { from, to } of scan.runs) {
      if (from > next) missing.push({ from: next, to: from - 1 });
      next = Math.max(next, to + 1);
    }
    if (scan.bad.some(({ wasLastFrame }) => wasLastFrame)) missing.push({ from: next, to: next });
    before = { number, next };
  }
  return mergeRanges(missing.flatMap((range) => uncovered(range, pieces)));
}

/** What of a range is in none of the pieces, which are in order. */
export function uncovered(range: PositionRange, pieces: readonly PositionRange[]): PositionRange[] {
  const left: PositionRange[] = [];
  let next = range.from;
  for (const { from, to } of pieces) {
    if (to < next || from > range.to) continue;
    if (from > next) left.push({ from: next, to: from - 1 });
    next = to + 1;
  }
  return next <= range.to ? [...left, { from: next, to: range.to }] : left;
}

/** In order, those that meet or overlap as one. */
export function mergeRanges(ranges: readonly PositionRange[]): PositionRange[] {
  const merged: { from: number; to: number }[] = [];
  for (const { from, to } of ranges.toSorted((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && from <= last.to + 1) last.to = Math.max(last.to, to);
    else merged.push({ from, to });
  }
  return merged;
}
