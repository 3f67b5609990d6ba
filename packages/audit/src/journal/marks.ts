import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import path from 'node:path';

/*
 * Empty files in a journal's folder, for whoever adopts it. Not synced: a power cut that takes one has the end reported once
 * more, with the same content, or leaves it to the look at the last event whether the sink has lost any. A sync would hold up
 * the event loop.
 */
const MODE = 0o600;

/**
 * - `reported`: what there was to say of its end has been said.
 * - `doubtful`: the sink may have lost what it had acknowledged, and does not have all of it again.
 */
export type Mark = 'reported' | 'doubtful';

export function hasMark(folder: string, mark: Mark): boolean {
  return existsSync(path.join(folder, mark));
}

/** @throws what the file system answers. */
export function setMark(folder: string, mark: Mark, isSet: boolean): void {
  const file = path.join(folder, mark);
  if (isSet) closeSync(openSync(file, 'w', MODE));
  else rmSync(file, { force: true });
}
