import { closeSync, ftruncateSync, openSync, renameSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { files, segmentPath } from './journal-files.ts';

const MODE = 0o600;
/**
 * Not more in one write: Linux keeps a large write in large pages, and a frame written into one of those later costs
 * three times as much (5.0 against 1.3 µs after zeros in one write of 4 MiB, ext4, Linux 6.18).
 */
const ZEROS = Buffer.alloc(64 * 1024);
/** Written at once: one by one, each waiting for a turn of a busy event loop, a burst would be through its segment first. */
const WRITES_AT_ONCE = 4;
/** Has no number yet: numbers are given in the order in which segments are used. */
export const SPARE_NAME = 'spare';

/**
 * Allocates the spare segment on the disk, off the event loop: a sync then writes frames, and nothing about the file.
 *
 * @param isWanted asked now and then, because it takes a while, and a process that ends waits for it.
 * @returns its descriptor; `undefined` if it is not wanted any more.
 */
export async function prepareSpare(
  folder: string,
  bytes: number,
  isWanted: () => boolean,
): Promise<number | undefined> {
  const file = path.join(folder, SPARE_NAME);
  const fd = await files.open(file, 'wx+', MODE);
  try {
    for (let at = 0; at < bytes && isWanted(); at += ZEROS.length * WRITES_AT_ONCE) await writeZeros(fd, at, bytes);
    if (isWanted()) {
      await files.fdatasync(fd);
      return fd;
    }
  } catch (error) {
    await files.close(fd);
    await rm(file, { force: true });
    throw error;
  }
  await dropSpare(folder, fd);
  return undefined;
}

/** Makes the spare the segment of this number. */
export function takeSpare(folder: string, number: number): void {
  renameSync(path.join(folder, SPARE_NAME), segmentPath(folder, number));
}

export async function dropSpare(folder: string, fd: number): Promise<void> {
  await files.close(fd);
  await rm(path.join(folder, SPARE_NAME), { force: true });
}

/** At once, and without allocating it: for the first segment, and when a burst fills one before the spare is there. */
export function createSegmentFile(folder: string, number: number, bytes: number): number {
  const file = segmentPath(folder, number);
  const fd = openSync(file, 'wx+', MODE);
  try {
    ftruncateSync(fd, bytes);
    return fd;
  } catch (error) {
    closeSync(fd);
    rmSync(file, { force: true });
    throw error;
  }
}

/** @param end of the file: not further than that. */
async function writeZeros(fd: number, from: number, end: number): Promise<void> {
  const starts = Array.from({ length: WRITES_AT_ONCE }, (_, i) => from + i * ZEROS.length).filter((at) => at < end);
  await Promise.all(starts.map((at) => writeAll(fd, ZEROS.subarray(0, Math.min(ZEROS.length, end - at)), at)));
}

async function writeAll(fd: number, bytes: Buffer, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    written += (await files.write(fd, bytes, written, bytes.length - written, position + written)).bytesWritten;
  }
}
