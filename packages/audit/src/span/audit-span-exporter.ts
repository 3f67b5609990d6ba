import { workflowOfSpan } from '@spanledger/otel/internal';
import type { WorkflowContext } from '@spanledger/otel/internal';
import { SpanledgerError } from '@spanledger/protocol';
import type { WriteOutcome } from '@spanledger/protocol';
import type { AuditPipeline } from '../audit-pipeline.ts';
import type { EventInput } from '../event-input.ts';
import { compileRules } from '../rules/compile-rules.ts';
import type { CompiledRules } from '../rules/compile-rules.ts';
import type { AuditSpanOptions } from './audit-span-processor.ts';
import { endEvents, findStartRule, startEvent } from './designate.ts';
import { ExecutionRuns } from './execution-runs.ts';
import { SHUTDOWN_FLUSH_MS, flushPipeline } from './flush-pipeline.ts';
import { SpanFaults } from './span-faults.ts';
import type { FaultKind } from './span-faults.ts';
import type { SpanView } from './span-view.ts';

export interface AuditSpanExporterOptions extends AuditSpanOptions {
  /** Executions whose run is remembered. Default 10,000; the one not used for longest continues in a new run. */
  readonly runsMax?: number;
}

/** The SDK's `ExportResult`: code 0 is success, 1 is failure. */
export interface ExportResultShape {
  code: number;
  error?: Error;
}

const SUCCESS = 0;
const FAILED = 1;
const RUNS_MAX = 10_000;

/**
 * For those who can plug in nothing but an exporter. It has the shape of the SDK's `SpanExporter`.
 *
 * An export succeeds only when the sink has stored the event of every designated span in it.
 *
 * Prefer `AuditSpanProcessor`. What is given up here: spans that are not sampled never arrive; a `BatchSpanProcessor` drops
 * spans when its queue is full, and those still in it when the process dies; events are numbered in the order of export, not
 * of happening; start events are sealed after the span has ended; runs from carriers are not bracketed; and a span changed
 * before its batch is exported is recorded as changed. Where `WorkflowSpanProcessor` is registered as well, events are in the
 * runs of their spans; otherwise in one run for each execution that the span's attributes name.
 */
export class AuditSpanExporter {
  readonly #pipeline: AuditPipeline;
  readonly #rules: CompiledRules;
  readonly #runs: ExecutionRuns;
  readonly #faults = new SpanFaults();
  #closed = false;

  /** @throws SpanledgerError `SPANLEDGER_OPTION` */
  constructor({ pipeline, rules = [], runsMax = RUNS_MAX }: AuditSpanExporterOptions) {
    if (!Number.isSafeInteger(runsMax) || runsMax < 1) {
      throw new SpanledgerError('SPANLEDGER_OPTION', `runsMax must be a whole number from 1, got ${runsMax}`);
    }
    this.#pipeline = pipeline;
    this.#rules = compileRules(rules);
    this.#runs = new ExecutionRuns(runsMax);
  }

  /** How often something went wrong on the way from a span to its event, since the start. */
  get faults(): Readonly<Record<FaultKind, number>> {
    return this.#faults.counts;
  }

  export(spans: readonly SpanView[], resultCallback: (result: ExportResultShape) => void): void {
    Promise.all(spans.flatMap((span) => this.#record(span)))
      .then((errors) => {
        const error = errors.find((one) => one !== undefined);
        resultCallback(error === undefined ? { code: SUCCESS } : { code: FAILED, error });
      })
      // I5: an unhandled rejection would end the process.
      .catch((error: unknown) => this.#faults.report('export_callback', error));
  }

  async forceFlush(): Promise<void> {
    await flushPipeline(this.#pipeline);
  }

  async shutdown(): Promise<void> {
    this.#closed = true;
    await flushPipeline(this.#pipeline, SHUTDOWN_FLUSH_MS);
  }

  /** @returns for each event of the span what `#stored` promises; one span that cannot be read does not harm the others. */
  #record(span: SpanView): Promise<Error | undefined>[] {
    if (this.#closed)
      return [Promise.resolve(new SpanledgerError('SPANLEDGER_SINK_CLOSED', 'the exporter is shut down'))];
    try {
      const inputs = this.#designate(span);
      if (inputs.length === 0) return [];
      const scope = workflowOfSpan(span) ?? this.#runs.scopeOf(span.attributes);
      return inputs.map((input) => this.#stored(scope, input));
    } catch (error) {
      this.#faults.report('end_hook', error);
      return [Promise.resolve(error instanceof Error ? error : new Error(String(error)))];
    }
  }

  #designate(span: SpanView): readonly EventInput[] {
    const rule = findStartRule(span, this.#rules, this.#faults);
    const ended = endEvents(span, this.#rules, rule, this.#faults, this.#pipeline.transcripts.ofSpans);
    return rule === undefined ? ended : [startEvent(span, rule, this.#faults), ...ended];
  }

  /** @returns `undefined` once the event is stored, else why it is not. */
  #stored(scope: WorkflowContext, input: EventInput): Promise<Error | undefined> {
    return new Promise((resolve) => {
      const settled = (outcome: WriteOutcome): void => resolve(outcome.status === 'stored' ? undefined : outcome.error);
      if (this.#pipeline.emit(scope, input, settled) !== undefined) return;
      resolve(new SpanledgerError('SPANLEDGER_SINK', `the pipeline did not take an event ${input.event}`));
    });
  }
}
