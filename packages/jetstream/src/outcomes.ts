import { SpanledgerError } from '@spanledger/protocol';
import type { WriteOutcome } from '@spanledger/protocol';

/** This event will never be stored. */
export function refused(reason: string, cause?: unknown): WriteOutcome {
  const error = new SpanledgerError('SPANLEDGER_REFUSED', `the event was refused: ${reason}`, { cause });
  return { status: 'refused', error };
}
