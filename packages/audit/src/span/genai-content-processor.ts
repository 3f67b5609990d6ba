import { context, trace } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import { markProbe } from '@spanledger/otel/internal';
import type { AuditPipeline } from '../audit-pipeline.ts';
import { getPipeline } from '../pipeline/registry.ts';
import { isContentEvent } from '../transcripts/logged-content.ts';
import type { SpanTranscripts } from '../transcripts/span-transcripts.ts';
import { eventNameOf } from './log-record-view.ts';
import type { LogRecordView } from './log-record-view.ts';
import { SpanFaults } from './span-faults.ts';
import type { FaultKind } from './span-faults.ts';

export interface GenAiContentOptions {
  /** Default: that of the process, also if it is registered later than the logger provider. */
  readonly pipeline?: AuditPipeline;
}

/** What a logger asks about, before it makes a record. */
interface LoggerState {
  readonly context: Context;
  readonly eventName?: string | undefined;
}

/**
 * Keeps the GenAI content that instrumentations write to the Logs API (`gen_ai.user.message`, `gen_ai.choice`, …) for the
 * transcripts of the span in whose context it is written: until that span ends, and only where transcripts of spans are on.
 *
 * It has the shape of the SDK's `LogRecordProcessor`, and depends on none. To be registered before others, which may change a
 * record. Its hooks never throw (I5), and it changes no record. What comes after the end of its span is too late.
 */
export class GenAiContentProcessor {
  readonly #pipeline: AuditPipeline | undefined;
  readonly #faults = new SpanFaults();

  constructor({ pipeline }: GenAiContentOptions = {}) {
    this.#pipeline = pipeline;
  }

  /** How often something went wrong on the way from a record to its span, since the start. */
  get faults(): Readonly<Record<FaultKind, number>> {
    return this.#faults.counts;
  }

  /** Whether a record may have content. A logger that no other processor wants does not even make the others. */
  enabled({ context: ctx, eventName }: LoggerState): boolean {
    if (markProbe(ctx, 'contentProcessor')) return false;
    const isLive = this.#transcripts !== undefined && trace.getSpan(ctx)?.isRecording() === true;
    return isLive && (eventName === undefined || isContentEvent(eventName));
  }

  onEmit(record: LogRecordView, ctx: Context = context.active()): void {
    try {
      const name = eventNameOf(record);
      if (name === undefined || !isContentEvent(name)) return;
      const span = trace.getSpan(ctx);
      if (span?.isRecording()) this.#transcripts?.log(span, name, record);
    } catch (error) {
      this.#faults.report('log_record', error);
    }
  }

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {}

  get #transcripts(): SpanTranscripts | undefined {
    return (this.#pipeline ?? getPipeline())?.transcripts.ofSpans;
  }
}
