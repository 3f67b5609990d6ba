import { close, closeSync, constants, fdatasync, fsync, fsyncSync, open, openSync, readdirSync } from 'node:fs';
import { readFile, readdir, rmdir, unlink } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { sha256 } from '../sha256.ts';

const SEGMENT_NAME = /^(\d{10})\.journal$/;
const NUMBER_DIGITS = 10;
const FOLDER_NAME_MAX = 200;

/** File system calls on bare descriptors: a `FileHandle` may be closed by the garbage collector. */
export const files = {
  open: promisify(open),
  close: promisify(close),
  fdatasync: promisify(fdatasync),
};
const openFile = files.open;
const fsyncFile = promisify(fsync);

/** All journals of one producer are in one folder; its name says whose, as far as file names allow. */
export function producerFolder(directory: string, producer: string): string {
  const name = encodeURIComponent(producer).replaceAll('.', '%2E');
  return path.join(directory, name.length <= FOLDER_NAME_MAX ? name : sha256(Buffer.from(producer)));
}

export function segmentPath(folder: string, number: number): string {
  return path.join(folder, `${String(number).padStart(NUMBER_DIGITS, '0')}.journal`);
}

/** Beside each segment: which of its frames are acknowledged. */
export function acknowledgedPath(folder: string, number: number): string {
  return segmentPath(folder, number).replace(/journal$/, 'acks');
}

/** In order. */
export function segmentNumbers(folder: string): number[] {
  const numbers = readdirSync(folder).map((name) => Number(SEGMENT_NAME.exec(name)?.[1] ?? 0));
  return numbers.filter((number) => number > 0).sort((a, b) => a - b);
}

/** @returns `undefined` if there is no such file. */
export async function readIfExists(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Not with `rm`, which looks at the file first: after a look at a socket, `require` does not follow symbolic links (Node 20). */
async function unlinkIfExists(file: string): Promise<void> {
  await unlink(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

/** Makes durable that files were created in a folder, or removed from it. */
export async function syncFolder(folder: string): Promise<void> {
  const fd = await openFile(folder, constants.O_RDONLY);
  try {
    await fsyncFile(fd);
  } finally {
    await files.close(fd);
  }
}

/** The same in this turn of the event loop. */
export function syncFolderNow(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Removes a journal that its caller holds the lock of. The segments go first: whoever finds the rest after a kill finds
 * them as they were, acknowledged and reported, or not at all. The lock goes last, so that nobody takes what is half removed.
 */
export async function removeJournalFolder(folder: string): Promise<void> {
  const order = (name: string): number => (SEGMENT_NAME.test(name) ? 0 : name.startsWith('lock-') ? 2 : 1);
  const names = (await readdir(folder)).sort((a, b) => order(a) - order(b));
  for (const name of names) await unlinkIfExists(path.join(folder, name));
  await rmdir(folder);
  await syncFolder(path.dirname(folder));
}
