import path from 'node:path';
import { SpanledgerError } from '@spanledger/protocol';
import { JOURNAL_KEYS } from './config.ts';
import type { JournalConfig, SpanledgerConfig } from './config.ts';
import { refuseUnknown } from './unknown-option.ts';

/** In the working directory, where the local ledger is as well. */
const DEFAULT_DIR = '.spanledger';

/** Where the journal is, with the sizes that were given. Those are checked where it is opened. */
export interface ResolvedJournal extends Omit<JournalConfig, 'directory'> {
  /** Absolute: the application may change its working directory later. */
  readonly directory: string;
  /** Somebody named it: then a service must not run without. */
  readonly isAskedFor: boolean;
}

/**
 * @returns `undefined` if it was turned off.
 * @throws SpanledgerError `SPANLEDGER_OPTION`
 */
export function resolveJournal(
  option: SpanledgerConfig['journal'],
  envDirectory: string | undefined,
): ResolvedJournal | undefined {
  if (option === false) return undefined;
  const { directory, ...sizes } = toConfig(option);
  if (directory === '') throw new SpanledgerError('SPANLEDGER_OPTION', '`journal` must name a directory, got ""');
  // Set but empty is not set.
  const named = directory ?? (envDirectory?.trim() || undefined);
  return {
    ...sizes,
    directory: path.resolve(named ?? DEFAULT_DIR),
    isAskedFor: option !== undefined || named !== undefined,
  };
}

function toConfig(option: Exclude<SpanledgerConfig['journal'], false>): JournalConfig {
  if (option === undefined) return {};
  if (typeof option === 'string') return { directory: option };
  if (typeof option !== 'object' || option === null) {
    throw new SpanledgerError('SPANLEDGER_OPTION', '`journal` must be a directory, an object, or false');
  }
  refuseUnknown(option, JOURNAL_KEYS, 'journal.');
  return option;
}
