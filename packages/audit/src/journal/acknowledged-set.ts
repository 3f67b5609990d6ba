import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';

const BITS = 8;
const INITIAL_BYTES = 1024;
const CRC_BYTES = 4;
const U48_BYTES = 6;
const HEADER_BYTES = CRC_BYTES + U48_BYTES;
const MODE = 0o600;

/** Which frames of one segment are acknowledged, as one bit each: bounded by the frames that fit into a segment. */
export class AcknowledgedSet {
  count = 0;
  readonly #first: number;
  #bits: Uint8Array;

  constructor(first: number, bits: Uint8Array = new Uint8Array(INITIAL_BYTES)) {
    this.#first = first;
    this.#bits = bits;
    for (const byte of bits) for (let rest = byte; rest > 0; rest &= rest - 1) this.count += 1;
  }

  has(position: number): boolean {
    const index = position - this.#first;
    return ((this.#bits[Math.floor(index / BITS)] ?? 0) & (1 << (index % BITS))) !== 0;
  }

  /** @returns whether it was not yet in. */
  add(position: number): boolean {
    if (this.has(position)) return false;
    const index = position - this.#first;
    const byte = Math.floor(index / BITS);
    if (byte >= this.#bits.length) this.#grow(byte + 1);
    this.#bits[byte]! |= 1 << (index % BITS);
    this.count += 1;
    return true;
  }

  /**
   * Into a file of its own: CRC-32 of what follows, position of the first frame (u48), the bits. Not synced: what a crash
   * takes of it, or leaves damaged, is published once more, which readers do not see.
   */
  save(file: string): void {
    const bytes = Buffer.alloc(HEADER_BYTES + this.#bits.length);
    bytes.writeUIntLE(this.#first, CRC_BYTES, U48_BYTES);
    bytes.set(this.#bits, HEADER_BYTES);
    bytes.writeUInt32LE(crc32(bytes.subarray(CRC_BYTES)), 0);
    // Written over, never cut first: a process killed in between would have acknowledged nothing.
    const fd = openSync(file, constants.O_WRONLY | constants.O_CREAT, MODE);
    try {
      writeSync(fd, bytes, 0, bytes.length, 0);
    } finally {
      closeSync(fd);
    }
  }

  /** @param first used if `bytes` is nothing that `save` has written. */
  static parse(bytes: Buffer | undefined, first: number): AcknowledgedSet {
    if (bytes === undefined || bytes.length < HEADER_BYTES) return new AcknowledgedSet(first);
    if (crc32(bytes.subarray(CRC_BYTES)) !== bytes.readUInt32LE(0)) return new AcknowledgedSet(first);
    return new AcknowledgedSet(bytes.readUIntLE(CRC_BYTES, U48_BYTES), new Uint8Array(bytes.subarray(HEADER_BYTES)));
  }

  #grow(bytes: number): void {
    const bits = new Uint8Array(Math.max(bytes, this.#bits.length * 2));
    bits.set(this.#bits);
    this.#bits = bits;
  }
}
