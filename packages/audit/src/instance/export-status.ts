import type { JsonValue } from '@spanledger/protocol';
import type { Rollback } from '../delivery/rollback-watch.ts';
import type { EventInput } from '../event-input.ts';
import type { PipelineHealth } from '../pipeline/health.ts';
import type { EventCounts } from '../pipeline/event-counts.ts';

/** Without a change, one event each 15 minutes. */
const REPEAT_MS = 15 * 60_000;
/** A server that is yet to be connected to is no change. */
const GRACE_MS = 5_000;

interface ExportStatusOptions {
  readonly health: () => PipelineHealth;
  /** What has become of events so far. */
  readonly counts: EventCounts;
  readonly emit: (input: EventInput) => boolean;
}

/** Writes `audit_export_status` events: at once when the sink's health turns, else every 15 minutes. */
export class ExportStatus {
  readonly #options: ExportStatusOptions;
  readonly #madeAtMs = performance.now();
  #healthy = true;
  #emittedAtMs = this.#madeAtMs;

  constructor(options: ExportStatusOptions) {
    this.#options = options;
  }

  /** To be called often: it looks whether something is to be said. */
  check(): void {
    if (performance.now() - this.#madeAtMs < GRACE_MS) return;
    const health = this.#options.health();
    const turned = health.sink.healthy !== this.#healthy;
    if (!turned && performance.now() - this.#emittedAtMs < REPEAT_MS) return;
    this.#emit(health, {});
  }

  /** The sink has lost what it had stored, or may have, and gets it again. */
  rolledBack({ lastStreamSeq, streamSeq, isCertain }: Rollback): void {
    this.#emit(this.#options.health(), {
      ...(isCertain ? { went_backwards: true } : { may_have_lost: true }),
      ...(lastStreamSeq > 0 && { last_stream_seq: lastStreamSeq }),
      stream_seq: streamSeq,
    });
  }

  #emit({ sink, queue, journal }: PipelineHealth, more: Record<string, JsonValue>): void {
    const fields: Record<string, JsonValue> = {
      sink: sink.name,
      status: sink.healthy ? 'ok' : 'failing',
      ...(sink.problem !== undefined && { problem: sink.problem }),
      events: { ...this.#options.counts },
      queue_events: queue.events,
      ...(journal && {
        journal_bytes: journal.bytes,
        journal_unacknowledged: journal.unacknowledged,
        journal_oldest_age_ms: Math.round(journal.oldestAgeMs),
      }),
      ...more,
    };
    if (!this.#options.emit({ event: 'audit_export_status', fields })) return;
    this.#healthy = sink.healthy;
    this.#emittedAtMs = performance.now();
  }
}
