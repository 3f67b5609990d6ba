import { crc32 } from 'node:zlib';

/*
 * The first 24 bytes of a segment, little-endian, written when it is made:
 *
 *   0  u32  CRC-32 of the 20 bytes after it
 *   4  8    "SPLJRNL1"
 *  12  u32  the segment's number
 *  16  u48  position of its first frame
 *  22  u16  0
 */
const MAGIC = Buffer.from('SPLJRNL1');
const MAGIC_AT = 4;
const NUMBER_AT = 12;
const FIRST_AT = 16;
const U48_BYTES = 6;

export const SEGMENT_HEADER_BYTES = 24;

export function encodeSegmentHeader(number: number, first: number): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(header, MAGIC_AT);
  header.writeUInt32LE(number, NUMBER_AT);
  header.writeUIntLE(first, FIRST_AT, U48_BYTES);
  header.writeUInt32LE(crc32(header.subarray(MAGIC_AT)), 0);
  return header;
}

/** @returns the position of the segment's first frame; `undefined` if the header is damaged. */
export function firstPosition(segment: Buffer): number | undefined {
  if (segment.length < SEGMENT_HEADER_BYTES) return undefined;
  const header = segment.subarray(0, SEGMENT_HEADER_BYTES);
  if (crc32(header.subarray(MAGIC_AT)) !== header.readUInt32LE(0)) return undefined;
  if (!header.subarray(MAGIC_AT, NUMBER_AT).equals(MAGIC)) return undefined;
  return header.readUIntLE(FIRST_AT, U48_BYTES);
}
