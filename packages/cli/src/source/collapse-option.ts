import type { CollapseMode } from '@spanledger/ledger';
import { Option } from 'commander';

export interface CollapseFlags {
  readonly collapse?: CollapseMode;
}

const MODES: readonly CollapseMode[] = ['superseded', 'mark', 'none'];

/** @param text what the modes mean for the command, and which is its default. */
export function collapseOption(text: string): Option {
  return new Option('--collapse <mode>', `attempts that a later one superseded: ${text}`).choices(MODES);
}
