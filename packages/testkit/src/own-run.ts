import { LEDGER_EVENTS } from '@spanledger/protocol';
import type { RunCheck } from './independent-reader.ts';

const LEDGERS_OWN: ReadonlySet<string> = new Set(LEDGER_EVENTS);

/** Whether everything in a run is the ledger's about itself: checkpoints, losses, its state. Nothing in it is the application's. */
export function isLedgersOwn({ names }: RunCheck): boolean {
  return names.every((name) => LEDGERS_OWN.has(name));
}
