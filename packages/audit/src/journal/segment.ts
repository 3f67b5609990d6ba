import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { AcknowledgedSet } from './acknowledged-set.ts';
import { acknowledgedPath, files, segmentPath, syncFolder } from './journal-files.ts';
import { SEGMENT_HEADER_BYTES, encodeSegmentHeader } from './segment-header.ts';

const MODE = 0o600;

/** How far a segment goes: its last position (one less than the first, if it is empty), and where the next frame begins. */
interface Extent {
  readonly last: number;
  readonly end: number;
}

/** One file of the journal, with frames whose positions follow each other. */
export class Segment {
  readonly number: number;
  readonly first: number;
  readonly path: string;
  #extent: Extent;
  #synced: Extent;
  #acknowledged: AcknowledgedSet;
  #waitingSinceMs = performance.now();
  #acknowledgedAtMs = performance.now();
  #acknowledgedSaved = true;
  readonly #folder: string;
  readonly #bytesMax: number;
  #fd: number | undefined;
  #nameSynced = false;

  /**
   * Makes the file, at the length that it has until it is closed: as long as it has it, not all that is in it need be on the disk.
   * Its blocks come with the frames: zeros written before them cost the process as much as the frames do, and the disk twice the bytes.
   *
   * @throws what the file system answers.
   */
  static create(folder: string, number: number, first: number, bytesMax: number): Segment {
    const file = segmentPath(folder, number);
    const fd = openSync(file, 'wx+', MODE);
    try {
      ftruncateSync(fd, bytesMax);
      return new Segment(folder, number, fd, first, bytesMax);
    } catch (error) {
      closeSync(fd);
      rmSync(file, { force: true });
      throw error;
    }
  }

  private constructor(folder: string, number: number, fd: number, first: number, bytesMax: number) {
    writeWhole(fd, encodeSegmentHeader(number, first), SEGMENT_HEADER_BYTES, 0);
    this.number = number;
    this.first = first;
    this.path = segmentPath(folder, number);
    this.#extent = { last: first - 1, end: SEGMENT_HEADER_BYTES };
    this.#synced = this.#extent;
    this.#acknowledged = new AcknowledgedSet(first);
    this.#folder = folder;
    this.#bytesMax = bytesMax;
    this.#fd = fd;
  }

  get extent(): Extent {
    return this.#extent;
  }

  /** How far it is on the disk. */
  get synced(): Extent {
    return this.#synced;
  }

  get isOpen(): boolean {
    return this.#fd !== undefined;
  }

  get isSynced(): boolean {
    return this.#synced.last === this.#extent.last;
  }

  get unacknowledged(): number {
    return this.#extent.last - this.first + 1 - this.#acknowledged.count;
  }

  /** Since when not all of it is acknowledged, on the monotonic clock: no event that waits is older. */
  get waitingSinceMs(): number {
    return this.#waitingSinceMs;
  }

  /** Length of the file, with what is not used yet. */
  get bytes(): number {
    return this.isOpen ? this.#bytesMax : this.#extent.end;
  }

  /** Milliseconds since anything in it was acknowledged last, on the monotonic clock. */
  get restedMs(): number {
    return performance.now() - this.#acknowledgedAtMs;
  }

  fits(length: number): boolean {
    return this.#extent.end + length <= this.#bytesMax;
  }

  /**
   * Writes the next frame, before it returns. After a failure the segment is as it was: part of the frame may be in the file,
   * where the next one goes, or where no frame follows.
   */
  write(frame: Buffer, length: number): void {
    if (this.#fd === undefined) throw new Error(`${this.path} is closed`);
    const { last, end } = this.#extent;
    writeWhole(this.#fd, frame, length, end);
    if (this.unacknowledged === 0) this.#waitingSinceMs = performance.now();
    this.#extent = { last: last + 1, end: end + length };
  }

  async sync(): Promise<void> {
    if (this.#fd === undefined) return;
    await files.fdatasync(this.#fd);
    if (!this.#nameSynced) await syncFolder(this.#folder);
    this.#nameSynced = true;
  }

  markSynced(extent: Extent): void {
    this.#synced = extent;
  }

  has(position: number): boolean {
    return position >= this.first && position <= this.#extent.last;
  }

  isAcknowledged(position: number): boolean {
    return this.#acknowledged.has(position);
  }

  acknowledge(position: number): void {
    if (!this.#acknowledged.add(position)) return;
    this.#acknowledgedAtMs = performance.now();
    this.#acknowledgedSaved = false;
  }

  saveAcknowledged(): void {
    if (this.#acknowledgedSaved) return;
    this.#acknowledged.save(acknowledgedPath(this.#folder, this.number));
    this.#acknowledgedSaved = true;
  }

  /** Leaves out what is not synced: it has been written again elsewhere. @returns which positions of it are acknowledged. */
  cutUnsynced(): number[] {
    const cut: number[] = [];
    const kept = new AcknowledgedSet(this.first);
    for (let position = this.first; position <= this.#extent.last; position += 1) {
      if (!this.#acknowledged.has(position)) continue;
      if (position <= this.#synced.last) kept.add(position);
      else cut.push(position);
    }
    this.#acknowledged = kept;
    this.#acknowledgedSaved = false;
    this.#extent = this.#synced;
    return cut;
  }

  /** Cuts off what was not used; and what was left out, which must be on the disk elsewhere, unless `keepTail`. */
  close(keepTail = false): void {
    if (this.#fd === undefined) return;
    const fd = this.#fd;
    this.#fd = undefined;
    try {
      if (!keepTail) ftruncateSync(fd, this.#extent.end);
    } finally {
      closeSync(fd);
    }
  }

  async remove(): Promise<void> {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    await rm(this.path, { force: true });
    await rm(acknowledgedPath(this.#folder, this.number), { force: true });
  }
}

/** A short write is no error to the operating system: the next one then says what is wrong. */
function writeWhole(fd: number, bytes: Buffer, length: number, position: number): void {
  let written = writeSync(fd, bytes, 0, length, position);
  while (written < length) written += writeSync(fd, bytes, written, length - written, position + written);
}
