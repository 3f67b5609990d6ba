import { eventId } from '@spanledger/protocol';
import type { AuditEvent } from '@spanledger/protocol';
import type { ClockSkewFinding } from './finding.ts';

const SKEW_MS = 60_000;
/** Years of more than four digits have a sign. */
const YEAR_0 = '0000';

/**
 * Finds producers whose clock is ahead: nothing is stored before it has happened. One that is behind cannot be told from an outage,
 * after which events are stored long after they happened.
 */
export class ClockCheck {
  readonly #skewMs: number;
  /** Runs of which it was said. I7: as many as there are findings. */
  readonly #told = new Set<string>();
  /** What was stored from `#fromMs` on and says that it happened up to here, is not ahead. As text: times in UTC sort. */
  #upTo = '';
  #fromMs = Infinity;

  constructor(skewMs: number = SKEW_MS) {
    this.#skewMs = skewMs;
  }

  check(event: AuditEvent, streamSeq: number, storedAtMs: number | undefined): ClockSkewFinding | undefined {
    if (storedAtMs === undefined) return undefined;
    const { run_id: runId, seq, ts } = event;
    // Once for each event that is read: reading the time costs more than all of this.
    if (storedAtMs >= this.#fromMs && ts >= YEAR_0 && ts <= this.#upTo && ts.endsWith('Z')) return undefined;
    const skewMs = Math.round(Date.parse(ts) - storedAtMs);
    if (!(skewMs > this.#skewMs)) this.#noteGood(storedAtMs);
    else if (!this.#told.has(runId)) {
      this.#told.add(runId);
      return { cause: 'clock_skew', runId, seq, eventId: eventId({ runId, seq }), streamSeq, skewMs };
    }
    return undefined;
  }

  #noteGood(storedAtMs: number): void {
    const upTo = new Date(storedAtMs + this.#skewMs);
    if (Number.isNaN(upTo.getTime())) return;
    this.#fromMs = storedAtMs;
    this.#upTo = upTo.toISOString();
  }
}
