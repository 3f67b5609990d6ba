import { SpanledgerError } from '@spanledger/protocol';
import type { Outbox } from '../delivery/outbox.ts';
import type { OpenLosses } from './open-losses.ts';

interface Keepers {
  readonly closed: boolean;
  readonly losses: OpenLosses;
  readonly outbox: Outbox;
}

/** Why the last event was not kept, for somebody who waits for it; `undefined` where it is for no want of room. */
export function keepingProblem({ closed, losses, outbox }: Keepers): SpanledgerError | undefined {
  if (closed) return new SpanledgerError('SPANLEDGER_SINK_CLOSED', 'the pipeline is shut down');
  if (!losses.full && outbox.accepting) return undefined;
  const message = 'there is no room for the event: the ledger does not take what is waiting';
  return new SpanledgerError('SPANLEDGER_SINK_BACKPRESSURE', message);
}
