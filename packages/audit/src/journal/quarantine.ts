import { linkSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import type { JournalDamage } from './recovery.ts';

export const QUARANTINE = 'quarantine';
/** I7: the oldest are removed for newer ones. */
const FILES_MAX = 16;

/** Keeps damaged segments aside, beside the journals of their producer, so that they outlive the journal. */
export function quarantine(journal: string, damages: readonly JournalDamage[]): void {
  const damaged = new Set(damages.filter(({ kind }) => kind !== 'torn').map(({ file }) => file));
  if (damaged.size === 0) return;
  const folder = path.join(path.dirname(journal), QUARANTINE);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const file of damaged) {
    try {
      linkSync(file, path.join(folder, `${path.basename(journal)}-${path.basename(file)}`));
    } catch (error) {
      // Found by an earlier adopter, who was killed.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
  const oldestFirst = readdirSync(folder)
    .map((name) => ({ file: path.join(folder, name), changedMs: statSync(path.join(folder, name)).ctimeMs }))
    .sort((a, b) => a.changedMs - b.changedMs);
  for (const { file } of oldestFirst.slice(0, -FILES_MAX)) rmSync(file, { force: true });
}
