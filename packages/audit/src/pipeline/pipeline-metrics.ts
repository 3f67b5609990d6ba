import { metrics } from '@opentelemetry/api';
import type { BatchObservableResult } from '@opentelemetry/api';
import type { AuditSink } from '@spanledger/protocol';
import type { EventCounts } from './event-counts.ts';
import type { PipelineHealth } from './health.ts';

/** What is left of an event that waits on the disk. */
interface EventPlace {
  readonly runId: string;
  readonly seq: number;
}

const OUTCOMES = ['stored', 'refused', 'failed', 'shed', 'unsigned'] as const;
const TRANSCRIPT_OUTCOMES = ['stored', 'refused', 'failed', 'shed', 'unsealed'] as const;

/** Buckets of `spanledger.ack.duration`, in seconds: from a server on the same machine to a journal that waited for hours. */
const DURATION_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600];

/**
 * The metrics of a pipeline, in whatever meter provider is registered when it has its first event. All but the latency are
 * observed when a reader collects, so that an event costs them an addition.
 */
export class PipelineMetrics {
  readonly #meter = metrics.getMeter('@spanledger/audit');
  readonly #ackDuration = this.#meter.createHistogram('spanledger.ack.duration', {
    unit: 's',
    description: 'From the sealing of an event until the sink has it; of one event at a time',
    advice: { explicitBucketBoundaries: DURATION_BUCKETS },
  });
  readonly #stop: () => void;
  /** The event that is being timed. One at a time: a histogram costs as much as sealing. */
  #timed: EventPlace | undefined;
  #timedFromMs = 0;

  constructor(sink: AuditSink, counts: EventCounts, health: () => PipelineHealth) {
    this.#stop = this.#observe(sink, counts, health);
  }

  sealed({ runId, seq }: EventPlace): void {
    if (this.#timed !== undefined) return;
    this.#timed = { runId, seq };
    this.#timedFromMs = performance.now();
  }

  settled({ runId, seq }: EventPlace, isStored: boolean): void {
    if (this.#timed?.seq !== seq || this.#timed.runId !== runId) return;
    this.#timed = undefined;
    if (isStored) this.#ackDuration.record((performance.now() - this.#timedFromMs) / 1_000);
  }

  stop(): void {
    this.#stop();
  }

  #observe(sink: AuditSink, counts: EventCounts, health: () => PipelineHealth): () => void {
    const events = this.#meter.createObservableCounter('spanledger.events', {
      unit: '{event}',
      description: 'Audit events by outcome',
    });
    const retried = this.#meter.createObservableCounter('spanledger.retries', {
      unit: '{event}',
      description: 'Writes that the sink has tried again',
    });
    const withheld = this.#meter.createObservableCounter('spanledger.redaction.failures', {
      unit: '{event}',
      description: 'Audit events that lost their payload because the redaction policy failed',
    });
    const transcripts = this.#meter.createObservableCounter('spanledger.transcripts', {
      unit: '{transcript}',
      description: 'Transcripts by outcome',
    });
    const gauges = GAUGES.map(({ name, unit, description, read }) => ({
      gauge: this.#meter.createObservableGauge(name, { unit, description }),
      read,
    }));
    const observables = [events, retried, withheld, transcripts, ...gauges.map(({ gauge }) => gauge)];
    const observe = (result: BatchObservableResult): void => {
      const now = health();
      for (const outcome of OUTCOMES) result.observe(events, counts[outcome], { outcome });
      for (const outcome of TRANSCRIPT_OUTCOMES) {
        if (now.transcripts) result.observe(transcripts, now.transcripts[outcome], { outcome });
      }
      result.observe(retried, sink.status?.().retries ?? 0);
      if (now.redaction) result.observe(withheld, now.redaction.failures);
      for (const { gauge, read } of gauges) {
        const value = read(now);
        if (value !== undefined) result.observe(gauge, value);
      }
    };
    this.#meter.addBatchObservableCallback(observe, observables);
    return () => this.#meter.removeBatchObservableCallback(observe, observables);
  }
}

const GAUGES: readonly {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly read: (health: PipelineHealth) => number | undefined;
}[] = [
  {
    name: 'spanledger.queue.bytes',
    unit: 'By',
    description: 'Sealed audit events in memory without an outcome',
    read: ({ queue }) => queue.bytes,
  },
  {
    name: 'spanledger.queue.events',
    unit: '{event}',
    description: 'Sealed audit events in memory without an outcome',
    read: ({ queue }) => queue.events,
  },
  {
    name: 'spanledger.journal.bytes',
    unit: 'By',
    description: "Length of the journal's files, with what is not used yet and what was adopted",
    read: ({ journal }) => journal?.bytes,
  },
  {
    name: 'spanledger.journal.unacknowledged',
    unit: '{event}',
    description: 'Audit events in the journal that the sink does not have',
    read: ({ journal }) => journal?.unacknowledged,
  },
  {
    name: 'spanledger.journal.oldest_age',
    unit: 's',
    description: 'No event in the journal that the sink does not have is older',
    read: ({ journal }) => journal && journal.oldestAgeMs / 1_000,
  },
  {
    name: 'spanledger.losses.unreported',
    unit: '{event}',
    description: 'Lost audit events that no audit_loss in the ledger names yet',
    read: ({ losses }) => losses.unreported,
  },
  {
    name: 'spanledger.transcripts.bytes',
    unit: 'By',
    description: 'Transcripts in memory without an outcome',
    read: ({ transcripts }) => transcripts?.bytes,
  },
  {
    name: 'spanledger.sink.healthy',
    unit: '1',
    description: '1 while the sink stores events, else 0',
    read: ({ sink }) => (sink.healthy ? 1 : 0),
  },
];
