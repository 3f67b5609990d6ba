import { SpanledgerError } from '@spanledger/protocol';
import type { AuditSink, WriteOutcome } from '@spanledger/protocol';

/** The worst answer is the answer. */
const SEVERITY = { stored: 0, refused: 1, failed: 2 } as const;

/**
 * Writes every event to all of the sinks. It is `stored` only when all have stored it; otherwise the worst answer counts
 * (`failed` over `refused`), and the ledgers differ by this event: it is reported as lost, though some may have it.
 * The slowest sink sets the pace.
 *
 * @throws SpanledgerError `SPANLEDGER_OPTION` if there is none
 */
export function fanOutSink(sinks: readonly AuditSink[]): AuditSink {
  const all = [...sinks];
  if (all.length === 0) throw new SpanledgerError('SPANLEDGER_OPTION', 'fanOutSink needs at least one sink');
  return {
    name: 'fan-out',
    async writeEvent(event) {
      return worst(await Promise.all(all.map((sink) => sink.writeEvent(event))));
    },
    async close(deadlineMs) {
      await Promise.all(all.map((sink) => sink.close(deadlineMs)));
    },
  };
}

function worst(outcomes: readonly WriteOutcome[]): WriteOutcome {
  return outcomes.reduce((a, b) => (SEVERITY[b.status] > SEVERITY[a.status] ? b : a));
}
