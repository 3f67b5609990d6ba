/*
 * What happens to a journal's files from outside. It reads them by the format's description (docs/adr/0009-journal-format.md)
 * and with no code of the package, so that a mistake there does not hide itself.
 */
import { cpSync, readFileSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { below } from './events.mjs';

export const HEADER_BYTES = 24;
const FRAME_HEADER_BYTES = 26;

/** Files of a journal's segments, in order. */
export function segmentFiles(folder) {
  const names = readdirSync(folder).filter((name) => /^\d{10}\.journal$/.test(name));
  return names.sort().map((name) => path.join(folder, name));
}

/** Whole frames of a segment that has no damage: where each is, and its position. */
export function framesOf(bytes) {
  const frames = [];
  for (let offset = HEADER_BYTES; offset + FRAME_HEADER_BYTES <= bytes.length;) {
    const length =
      FRAME_HEADER_BYTES + bytes[offset + 7] + bytes.readUInt16LE(offset + 8) + bytes.readUInt32LE(offset + 22);
    const end = offset + length;
    if (end > bytes.length || crc32(bytes.subarray(offset + 4, end)) !== bytes.readUInt32LE(offset)) break;
    frames.push({ position: bytes.readUIntLE(offset + 10, 6), offset, length, end });
    offset = end;
  }
  return frames;
}

/**
 * Changes a random bit of a random frame that has others after it.
 *
 * @param isChosen which positions may be hit. @returns the position that was hit.
 */
export function flipByte(folder, random, isChosen) {
  const choices = segmentFiles(folder).flatMap((file) => {
    const frames = framesOf(readFileSync(file)).slice(0, -1);
    return frames.filter(({ position }) => isChosen(position)).map((frame) => ({ file, ...frame }));
  });
  const { file, position, offset, length } = choices[below(random, choices.length)];
  const bytes = readFileSync(file);
  bytes[offset + below(random, length)] ^= 1 << below(random, 8);
  rewrite(file, bytes);
  return position;
}

/** Without a trace in the file's times: retention is counted from them. */
function rewrite(file, bytes) {
  const { atime, mtime } = statSync(file);
  writeFileSync(file, bytes);
  utimesSync(file, atime, mtime);
}

/** Copies a journal, as a backup does: all but its sockets. @returns the copy's folder, in a directory of its own. */
export function copyJournal(folder, directory) {
  const copy = path.join(directory, path.basename(path.dirname(folder)), path.basename(folder));
  const filter = (source) => !path.basename(source).startsWith('lock-');
  cpSync(folder, copy, { recursive: true, preserveTimestamps: true, filter });
  return copy;
}
