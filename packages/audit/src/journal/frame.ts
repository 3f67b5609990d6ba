import { crc32 } from 'node:zlib';
import type { SealedEvent } from '@spanledger/protocol';
import { sha256 } from '../sha256.ts';

/*
 * One sealed event in a segment, little-endian (docs/adr/0009-journal-format.md):
 *
 *   0  u32  CRC-32 of everything after it
 *   4  2    F5 4A: F5 occurs in no UTF-8 text, so no event can contain what looks like a frame
 *   6  u8   format, 1
 *   7  u8   length of the run id
 *   8  u16  length of the subject
 *  10  u48  position in the journal, from 1
 *  16  u48  seq of the event
 *  22  u32  length of the event
 *  26       run id, subject, event
 */
const MAGIC = Buffer.from([0xf5, 0x4a]);
const MAGIC_WORD = MAGIC.readUInt16LE();
const FORMAT = 1;
const CHECKED_FROM = 4;
const MAGIC_AT = 4;
const POSITION_AT = 10;
const SEQ_AT = 16;
const EVENT_LENGTH_AT = 22;
const HEADER_BYTES = 26;
const U48_BYTES = 6;
const RUN_ID_BYTES_MAX = 255;
const SUBJECT_BYTES_MAX = 65_535;
const BUFFER_BYTES = 128 * 1024;
/** UTF-8 needs at most three bytes for a UTF-16 unit. */
const BYTES_PER_UNIT_MAX = 3;

/** Writes frames into memory of its own, used again for each: `append` allocates nothing that outlives it. */
export class FrameEncoder {
  /** The last frame, from 0. Grows to the largest frame that there was. */
  buffer = Buffer.alloc(BUFFER_BYTES);

  /** @returns the frame's length in bytes. @throws RangeError if the run id or the subject is too long for its field. */
  encode(event: SealedEvent, position: number): number {
    const { runId, subject, bytes } = event;
    this.#reserve(HEADER_BYTES + (runId.length + subject.length) * BYTES_PER_UNIT_MAX + bytes.length);
    const { buffer } = this;
    const runIdBytes = buffer.write(runId, HEADER_BYTES);
    const subjectBytes = buffer.write(subject, HEADER_BYTES + runIdBytes);
    if (runIdBytes > RUN_ID_BYTES_MAX || subjectBytes > SUBJECT_BYTES_MAX) {
      throw new RangeError(`a run id of ${runIdBytes} bytes or a subject of ${subjectBytes} does not fit into a frame`);
    }
    const eventAt = HEADER_BYTES + runIdBytes + subjectBytes;
    buffer.set(bytes, eventAt);
    buffer.writeUInt16LE(MAGIC_WORD, MAGIC_AT);
    buffer[6] = FORMAT;
    buffer[7] = runIdBytes;
    buffer.writeUInt16LE(subjectBytes, 8);
    buffer.writeUIntLE(position, POSITION_AT, U48_BYTES);
    buffer.writeUIntLE(event.seq, SEQ_AT, U48_BYTES);
    buffer.writeUInt32LE(bytes.length, EVENT_LENGTH_AT);
    const length = eventAt + bytes.length;
    buffer.writeUInt32LE(crc32(buffer.subarray(CHECKED_FROM, length)), 0);
    return length;
  }

  #reserve(bytes: number): void {
    if (bytes > this.buffer.length) this.buffer = Buffer.alloc(2 ** Math.ceil(Math.log2(bytes)));
  }
}

/** What the length fields at `offset` say, right or wrong; `undefined` if there is no room for a header. */
export function claimedLength(bytes: Buffer, offset: number): number | undefined {
  if (offset + HEADER_BYTES > bytes.length) return undefined;
  return (
    HEADER_BYTES + bytes[offset + 7]! + bytes.readUInt16LE(offset + 8) + bytes.readUInt32LE(offset + EVENT_LENGTH_AT)
  );
}

/** @returns the length of the frame at `offset`, if a whole and undamaged one is there. */
export function frameLengthAt(bytes: Buffer, offset: number): number | undefined {
  const length = claimedLength(bytes, offset);
  if (length === undefined || offset + length > bytes.length) return undefined;
  if (bytes.readUInt16LE(offset + MAGIC_AT) !== MAGIC_WORD || bytes[offset + 6] !== FORMAT) return undefined;
  const checked = bytes.subarray(offset + CHECKED_FROM, offset + length);
  return crc32(checked) === bytes.readUInt32LE(offset) ? length : undefined;
}

/** @returns where the next whole frame begins, at `offset` or after it. */
export function findFrame(bytes: Buffer, offset: number): number | undefined {
  let magicAt = bytes.indexOf(MAGIC, offset + MAGIC_AT);
  while (magicAt !== -1) {
    if (frameLengthAt(bytes, magicAt - MAGIC_AT) !== undefined) return magicAt - MAGIC_AT;
    magicAt = bytes.indexOf(MAGIC, magicAt + 1);
  }
  return undefined;
}

export function positionAt(bytes: Buffer, offset: number): number {
  return bytes.readUIntLE(offset + POSITION_AT, U48_BYTES);
}

/** The event of a whole frame, in memory of its own; I2: the same bytes, so the same hash and the same message id. */
export function readEvent(frames: Buffer, offset: number): SealedEvent {
  const subjectAt = offset + HEADER_BYTES + frames[offset + 7]!;
  const bytesAt = subjectAt + frames.readUInt16LE(offset + 8);
  const bytes = new Uint8Array(frames.subarray(bytesAt, bytesAt + frames.readUInt32LE(offset + EVENT_LENGTH_AT)));
  return {
    runId: frames.toString('utf8', offset + HEADER_BYTES, subjectAt),
    seq: frames.readUIntLE(offset + SEQ_AT, U48_BYTES),
    bytes,
    hash: sha256(bytes),
    subject: frames.toString('utf8', subjectAt, bytesAt),
  };
}
