import { SpanledgerError } from '@spanledger/protocol';
import type { WriteOutcome } from '@spanledger/protocol';

/** The answer to what was not stored before the sink was closed. */
export function closedOutcome(sink: string): WriteOutcome {
  return { status: 'failed', error: new SpanledgerError('SPANLEDGER_SINK_CLOSED', `the ${sink} sink is closed`) };
}
