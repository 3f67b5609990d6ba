import { statfsSync } from 'node:fs';
import { openJournal } from '@spanledger/audit';
import type { Journal } from '@spanledger/audit';
import { SpanledgerError } from '@spanledger/protocol';
import { logger } from './diagnostics.ts';
import type { ResolvedConfig } from './resolve-config.ts';

/** File systems of Linux that do not outlive what the journal is to outlive, by the number that statfs(2) has for them. */
const SHORT_LIVED = new Map([
  [0x79_4c_76_30, { name: 'overlayfs', end: 'with this container' }],
  [0x01_02_19_94, { name: 'tmpfs', end: 'when this machine or container stops' }],
  [0x85_84_58_f6, { name: 'ramfs', end: 'when this machine or container stops' }],
]);

/**
 * Opens the journal of this process, or of this worker thread.
 *
 * One that somebody asked for and that cannot be had is an error. Where only the default cannot be had (a read-only root, say), the
 * service goes on with its events in memory, and that is said aloud.
 *
 * @returns `undefined` where there is none.
 * @throws SpanledgerError `SPANLEDGER_JOURNAL` or `SPANLEDGER_OPTION`
 */
export function openOwnJournal({ journal, producer }: ResolvedConfig): Journal | undefined {
  if (journal === undefined) return undefined;
  const { isAskedFor, ...options } = journal;
  try {
    const opened = openJournal({ ...options, producer });
    warnIfShortLived(journal.directory);
    return opened;
  } catch (error) {
    if (isAskedFor || !(error instanceof SpanledgerError) || error.code !== 'SPANLEDGER_JOURNAL') throw error;
    logger.error(
      `there is no journal, so what is not yet in the ledger is lost with this process: ${error.message} ` +
        `(${reasonOf(error)}). Set SPANLEDGER_JOURNAL_DIR to a directory that it can write to`,
    );
    return undefined;
  }
}

function warnIfShortLived(directory: string): void {
  const kind = shortLivedKind(directory);
  if (kind === undefined) return;
  logger.warn(
    `the journal ${directory} is on ${kind.name} and ends ${kind.end}, with what is not yet in the ledger: ` +
      'mount a volume, and set SPANLEDGER_JOURNAL_DIR',
  );
}

function shortLivedKind(directory: string): { name: string; end: string } | undefined {
  // Other systems have other numbers.
  if (process.platform !== 'linux') return undefined;
  try {
    return SHORT_LIVED.get(statfsSync(directory).type);
  } catch {
    return undefined; // It is a hint: the journal is open, and the service need not fail for want of it.
  }
}

function reasonOf({ cause }: SpanledgerError): string {
  return cause instanceof Error ? cause.message : String(cause);
}
