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
  // The one whose numbers are watched: whether it has lost what it had stored.
  const resuming = all.findIndex((sink) => sink.onResume !== undefined);
  return {
    name: 'fan-out',
    async writeEvent(event, options) {
      const outcomes = await Promise.all(all.map((sink) => sink.writeEvent(event, options)));
      const outcome = worst(outcomes);
      return outcome.status === 'stored' ? (outcomes[resuming] ?? outcome) : outcome;
    },
    status() {
      const states = all.flatMap((sink) => sink.status?.() ?? []);
      const problem = states.find((state) => state.problem !== undefined)?.problem;
      return { problem, retries: states.reduce((sum, { retries }) => sum + retries, 0) };
    },
    ...(resuming !== -1 && { onResume: (listener) => all[resuming]?.onResume?.(listener) }),
    async close(deadlineMs) {
      await Promise.all(all.map((sink) => sink.close(deadlineMs)));
    },
  };
}

function worst(outcomes: readonly WriteOutcome[]): WriteOutcome {
  return outcomes.reduce((a, b) => (SEVERITY[b.status] > SEVERITY[a.status] ? b : a));
}
