import { openJournal } from '@spanledger/audit';
import type { Journal } from '@spanledger/audit';
import { SpanledgerError } from '@spanledger/protocol';
import { logger } from './diagnostics.ts';
import { placeProblem } from './journal-place.ts';
import type { ResolvedConfig } from './resolve-config.ts';

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
    refuseShared(journal.directory);
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

/** The lock works within one machine: another one that mounts the same would take this journal from under us. */
function refuseShared(directory: string): void {
  const problem = placeProblem(directory);
  if (problem?.kind !== 'shared') return;
  const message = `the journal ${directory} is on ${problem.name}, and must be on a local volume`;
  const cause = new Error('another machine would take it for that of a dead process');
  throw new SpanledgerError('SPANLEDGER_JOURNAL', message, { cause });
}

function warnIfShortLived(directory: string): void {
  const problem = placeProblem(directory);
  if (problem?.kind !== 'short_lived') return;
  logger.warn(
    `the journal ${directory} is on ${problem.name} and ends ${problem.end}, with what is not yet in the ledger: ` +
      'mount a volume, and set SPANLEDGER_JOURNAL_DIR',
  );
}

function reasonOf({ cause }: SpanledgerError): string {
  return cause instanceof Error ? cause.message : String(cause);
}
