import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import { linkSpan, markProbe, processState, workflowOfSpan } from '@spanledger/otel/internal';
import type { RunOutcome, WorkflowContext } from '@spanledger/otel/internal';
import type { AuditPipeline } from '../audit-pipeline.ts';
import { compileRules } from '../rules/compile-rules.ts';
import type { CompiledRules, StartRule } from '../rules/compile-rules.ts';
import type { DesignationRules } from '../rules/designation-rule.ts';
import { endEvents, findStartRule, startEvent } from './designate.ts';
import { SHUTDOWN_FLUSH_MS, flushPipeline } from './flush-pipeline.ts';
import { SpanFaults } from './span-faults.ts';
import type { FaultKind } from './span-faults.ts';
import { placeAt, placeAtEnd } from './span-place.ts';
import type { SpanView } from './span-view.ts';

export interface AuditSpanOptions {
  readonly pipeline: AuditPipeline;
  /** Which spans are audit events. Spans with the attribute `forge.audit.event` are, without any rule. */
  readonly rules?: DesignationRules;
}

/** On a span whose end is told: no second processor, and no second registration of one, tells it again. */
const TOLD = Symbol.for('@spanledger/audit/told@1');

/** What a span's start means for its end. */
interface Beginning {
  /** It brackets its run. */
  readonly entry: boolean;
  readonly rule: StartRule | undefined;
}

/**
 * Turns designated spans into audit events, in the hook (I1), whether they are sampled or not (I4).
 * The entry span of a run from a carrier also brackets that run, if nothing has claimed that before.
 *
 * It has the shape of the SDK's `SpanProcessor`, 2.x and 3.x, and depends on neither. Its hooks never throw (I5). A span
 * that never ends is no event. The pipeline is not its own: `forceFlush` and `shutdown` flush it, and who made it closes it.
 */
export class AuditSpanProcessor {
  readonly #pipeline: AuditPipeline;
  readonly #rules: CompiledRules;
  readonly #faults = new SpanFaults();
  // I7: weak. Most spans are not in it.
  readonly #begun = new WeakMap<object, Beginning>();

  /** @throws SpanledgerError `SPANLEDGER_OPTION` for a rule that cannot work. */
  constructor({ pipeline, rules = [] }: AuditSpanOptions) {
    this.#pipeline = pipeline;
    this.#rules = compileRules(rules);
  }

  /** How often something went wrong on the way from a span to its event, since the start. */
  get faults(): Readonly<Record<FaultKind, number>> {
    return this.#faults.counts;
  }

  onStart(span: SpanView, parentContext: Context): void {
    try {
      if (markProbe(parentContext, 'auditProcessor')) return;
      const scope = linkSpan(span, parentContext);
      const entry = isEntrySpan(span, scope) && scope.run.claimLifecycle();
      const rule = findStartRule(span, this.#rules, this.#faults);
      if (!entry && rule === undefined) return;
      this.#begun.set(span, { entry, rule });
      if (entry) this.#pipeline.brackets.begin(scope, placeAt(span, span.startTime));
      if (rule !== undefined) this.#pipeline.emit(scope, startEvent(span, rule, this.#faults));
    } catch (error) {
      this.#faults.report('start_hook', error);
    }
  }

  onEnd(span: SpanView): void {
    const begun = this.#begun.get(span);
    try {
      this.#emitEnd(span, begun?.rule);
    } catch (error) {
      this.#faults.report('end_hook', error);
    }
    try {
      if (begun?.entry) this.#endRun(span);
    } catch (error) {
      this.#faults.report('end_hook', error);
    }
  }

  async forceFlush(): Promise<void> {
    await flushPipeline(this.#pipeline);
  }

  async shutdown(): Promise<void> {
    await flushPipeline(this.#pipeline, SHUTDOWN_FLUSH_MS);
  }

  #emitEnd(span: SpanView, rule: StartRule | undefined): void {
    if (TOLD in span) return;
    const inputs = endEvents(span, this.#rules, rule, this.#faults, this.#pipeline.transcripts.ofSpans);
    if (inputs.length === 0) return;
    (span as { [TOLD]?: true })[TOLD] = true;
    const scope = scopeOf(span);
    for (const input of inputs) this.#pipeline.emit(scope, input);
  }

  /** After the entry span's own events. */
  #endRun(span: SpanView): void {
    const scope = scopeOf(span);
    this.#pipeline.brackets.end(scope, scope.run.outcome ?? outcomeOf(span), placeAtEnd(span));
  }
}

function scopeOf(span: SpanView): WorkflowContext {
  return workflowOfSpan(span) ?? processState().instance;
}

/** The span that an instrumentation made for the carrier itself, and not one of its descendants. */
function isEntrySpan(span: SpanView, scope: WorkflowContext): boolean {
  return (
    (span.kind === SpanKind.SERVER || span.kind === SpanKind.CONSUMER) &&
    scope.run.origin === 'carrier' &&
    (span.parentSpanContext === undefined || span.parentSpanContext.isRemote === true)
  );
}

function outcomeOf({ status, attributes }: SpanView): RunOutcome {
  const statusCode = Number(attributes['http.response.status_code'] ?? attributes['http.status_code']);
  if (status.code !== SpanStatusCode.ERROR && !(statusCode >= 500)) return { status: 'ok' };
  const error = status.message || attributes['error.type'] || (statusCode >= 500 ? `HTTP ${statusCode}` : undefined);
  return { status: 'error', error };
}
