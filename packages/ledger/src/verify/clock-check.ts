import { eventId } from '@spanledger/protocol';
import type { AuditEvent } from '@spanledger/protocol';
import type { ClockSkewFinding } from './finding.ts';

const SKEW_MS = 60_000;

/**
 * Finds producers whose clock is ahead: nothing is stored before it has happened. One that is behind cannot be told from an outage,
 * after which events are stored long after they happened.
 */
export class ClockCheck {
  readonly #skewMs: number;
  /** Runs of which it was said. I7: as many as there are findings. */
  readonly #told = new Set<string>();

  constructor(skewMs: number = SKEW_MS) {
    this.#skewMs = skewMs;
  }

  check(event: AuditEvent, streamSeq: number, storedAtMs: number | undefined): ClockSkewFinding | undefined {
    if (storedAtMs === undefined) return undefined;
    const { run_id: runId, seq, ts } = event;
    const skewMs = Math.round(Date.parse(ts) - storedAtMs);
    if (!(skewMs > this.#skewMs) || this.#told.has(runId)) return undefined;
    this.#told.add(runId);
    return { cause: 'clock_skew', runId, seq, eventId: eventId({ runId, seq }), streamSeq, skewMs };
  }
}
