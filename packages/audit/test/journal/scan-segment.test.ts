import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameEncoder, readEvent } from '../../src/journal/frame.ts';
import { scanSegment } from '../../src/journal/scan-segment.ts';
import type { SegmentScan } from '../../src/journal/scan-segment.ts';
import { lostPositions, planPieces } from '../../src/journal/replay-plan.ts';
import { SEGMENT_HEADER_BYTES, encodeSegmentHeader } from '../../src/journal/segment-header.ts';
import { sealedEvent } from './journal-support.ts';

const TAIL_BYTES = 512;

/** A segment of events and a tail that was never written to, and where each frame begins and ends. */
function segmentOf(count: number, first = 1) {
  const events = Array.from({ length: count }, (_, i) => sealedEvent(i + 1, (i * 37) % 200));
  const encoder = new FrameEncoder();
  const parts = [encodeSegmentHeader(1, first)];
  const ends = [SEGMENT_HEADER_BYTES];
  for (const [i, event] of events.entries()) {
    const length = encoder.encode(event, first + i);
    parts.push(Buffer.from(encoder.buffer.subarray(0, length)));
    ends.push(ends.at(-1)! + length);
  }
  return { events, ends, bytes: Buffer.concat([...parts, Buffer.alloc(TAIL_BYTES)]) };
}

const found = (scan: SegmentScan): number[] =>
  scan.runs.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
const lost = (scan: SegmentScan) => lostPositions([{ number: 1, scan }], planPieces([{ number: 1, scan }]));
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

describe('a segment that is read', () => {
  it('gives back what was written, to the byte', () => {
    const { events, bytes, ends } = segmentOf(20);
    const scan = scanSegment(bytes);
    expect(scan).toEqual({
      first: 1,
      runs: [{ from: 1, to: 20, offset: SEGMENT_HEADER_BYTES }],
      bad: [],
      end: ends.at(-1),
    });
    expect(events.map((_, i) => readEvent(bytes, ends[i]!))).toEqual(events);
  });

  it('is empty when it was never used', () => {
    expect(scanSegment(Buffer.alloc(4096))).toEqual({ first: undefined, runs: [], bad: [], end: 0 });
    expect(scanSegment(encodeSegmentHeader(3, 7))).toMatchObject({ first: 7, runs: [], bad: [] });
  });

  it('loses only the tail when a write was cut short, at every byte', () => {
    const { bytes, ends } = segmentOf(12);
    for (let cut = 0; cut <= ends.at(-1)!; cut += 1) {
      const whole = ends.filter((end) => end <= cut).length - 1;
      for (const tail of [0, TAIL_BYTES]) {
        const scan = scanSegment(Buffer.concat([bytes.subarray(0, cut), Buffer.alloc(tail)]));
        expect(found(scan)).toEqual(upTo(Math.max(whole, 0)));
        expect(scan.bad.filter(({ torn }) => !torn)).toEqual([]);
        expect(lost(scan)).toEqual([]);
        const begun = bytes.subarray(whole < 0 ? 0 : ends[whole]!, cut).some((byte) => byte !== 0);
        if (whole >= 0) expect(scan.bad).toHaveLength(begun ? 1 : 0);
      }
    }
  });

  it('finds every flipped byte, and loses only the frame that it is in', () => {
    const { bytes, ends } = segmentOf(60);
    const lastFrameAt = ends.at(-2)!;
    const flips = fc.record({
      at: fc.integer({ min: 0, max: lastFrameAt - 1 }),
      mask: fc.integer({ min: 1, max: 255 }),
    });
    fc.assert(
      fc.property(flips, ({ at, mask }) => {
        const flipped = Buffer.from(bytes);
        flipped[at]! ^= mask;
        const scan = scanSegment(flipped);
        const frame = ends.findIndex((end) => at < end);
        expect(scan.bad.some(({ torn }) => !torn)).toBe(true);
        expect(scan.bad.some(({ offset, bytes: length }) => at >= offset && at < offset + length)).toBe(true);
        expect(found(scan)).toEqual(upTo(60).filter((position) => position !== frame));
        expect(lost(scan)).toEqual(frame === 0 ? [] : [{ from: frame, to: frame }]);
      }),
      { numRuns: 10_000 },
    );
  });

  it('tells a page that never reached the disk from one that was changed', () => {
    const { bytes, ends } = segmentOf(60);
    for (const page of [0, 4_096]) {
      const holed = Buffer.from(bytes);
      holed.fill(0, page, page + 4_096);
      const scan = scanSegment(holed);
      const hit = upTo(60).filter((position) => ends[position - 1]! < page + 4_096 && ends[position]! > page);
      expect(scan.bad.every(({ hasHole }) => hasHole)).toBe(true);
      expect(found(scan)).toEqual(upTo(60).filter((position) => !hit.includes(position)));
      if (page > 0) expect(lost(scan)).toEqual([{ from: hit[0], to: hit.at(-1) }]);
      // A whole frame is more than nothing: where it is changed otherwise there is no sector of zeros.
      holed.fill(1, page, page + 4_096);
      expect(scanSegment(holed).bad.every(({ hasHole }) => !hasHole)).toBe(true);
    }
  });

  it('names what is missing also where a whole segment never reached the disk', () => {
    const empty = scanSegment(Buffer.alloc(4_096));
    const numbered = (...scans: SegmentScan[]) => scans.map((scan, i) => ({ number: i + 1, scan }));
    const lostIn = (scans: ReturnType<typeof numbered>) => lostPositions(scans, planPieces(scans));
    const third = scanSegment(segmentOf(5, 9).bytes);
    expect(lostIn(numbered(scanSegment(segmentOf(4).bytes), empty, third))).toEqual([{ from: 5, to: 8 }]);
    expect(lostIn(numbered(empty, third))).toEqual([{ from: 1, to: 8 }]);
    expect(lostIn(numbered(scanSegment(segmentOf(4).bytes), empty))).toEqual([]);
    // What is not there at all was removed, as it was acknowledged.
    expect(lostIn([{ number: 3, scan: third }])).toEqual([]);
  });

  it('finds every flipped bit of the last frame too', () => {
    const { bytes, ends } = segmentOf(5);
    for (let at = ends[4]!; at < ends[5]!; at += 1) {
      for (let bit = 1; bit < 256; bit *= 2) {
        const flipped = Buffer.from(bytes);
        flipped[at]! ^= bit;
        const scan = scanSegment(flipped);
        expect(scan.bad).toHaveLength(1);
        expect(found(scan)).toEqual([1, 2, 3, 4]);
      }
    }
  });

  it('is not misled by an event that contains a frame', () => {
    const inner = new FrameEncoder();
    const length = inner.encode(sealedEvent(1), 99);
    const text = inner.buffer.subarray(0, length).toString('latin1');
    const event = { ...sealedEvent(2), bytes: new TextEncoder().encode(JSON.stringify({ text })) };
    const encoder = new FrameEncoder();
    const outer = Buffer.from(encoder.buffer.subarray(0, encoder.encode(event, 1)));
    outer[0]! ^= 1;
    expect(found(scanSegment(Buffer.concat([encodeSegmentHeader(1, 1), outer])))).toEqual([]);
  });
});
