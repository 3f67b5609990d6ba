import { metrics } from '@opentelemetry/api';
import type { BatchObservableResult } from '@opentelemetry/api';

/** What has become of events since the process started. */
export interface EventCounts {
  /** The sink keeps it. */
  stored: number;
  /** The sink, or a pipeline that is shut down, will not take it. */
  refused: number;
  /** The sink gave up on it, or it could not be sealed. */
  failed: number;
  /** The queue was full. */
  shed: number;
}

interface QueueSize {
  readonly bytes: number;
  readonly events: number;
}

const OUTCOMES = ['stored', 'refused', 'failed', 'shed'] as const;

/**
 * `spanledger.events` (counter, by `outcome`), `spanledger.queue.bytes` and `spanledger.queue.events` (gauges). All are observed
 * when a reader collects, so that an event costs them an addition.
 *
 * @returns the function that ends the observation.
 */
export function observePipeline(counts: EventCounts, queue: QueueSize): () => void {
  const meter = metrics.getMeter('@spanledger/audit');
  const events = meter.createObservableCounter('spanledger.events', {
    unit: '{event}',
    description: 'Audit events by outcome',
  });
  const queueBytes = meter.createObservableGauge('spanledger.queue.bytes', {
    unit: 'By',
    description: 'Sealed audit events without an outcome',
  });
  const queueEvents = meter.createObservableGauge('spanledger.queue.events', {
    unit: '{event}',
    description: 'Sealed audit events without an outcome',
  });
  const observables = [events, queueBytes, queueEvents];
  const observe = (result: BatchObservableResult): void => {
    for (const outcome of OUTCOMES) result.observe(events, counts[outcome], { outcome });
    result.observe(queueBytes, queue.bytes);
    result.observe(queueEvents, queue.events);
  };
  meter.addBatchObservableCallback(observe, observables);
  return () => meter.removeBatchObservableCallback(observe, observables);
}
