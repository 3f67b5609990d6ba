import { closeSync, existsSync, openSync } from 'node:fs';
import path from 'node:path';

/** An empty file in a dead process's journal: what there was to say of its end has been said. */
const REPORTED_NAME = 'reported';
const MODE = 0o600;

export function isMarkedReported(folder: string): boolean {
  return existsSync(path.join(folder, REPORTED_NAME));
}

/**
 * Not synced: a power cut that takes it has the end reported once more, with the same content, which is no finding for a
 * reader. A sync here would hold up the event loop for that.
 *
 * @throws what the file system answers.
 */
export function writeReportedMark(folder: string): void {
  closeSync(openSync(path.join(folder, REPORTED_NAME), 'w', MODE));
}
