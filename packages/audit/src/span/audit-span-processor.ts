import { SpanKind, SpanStatusCode, diag } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import { linkSpan, markProbe, processState, workflowOfSpan } from '@spanledger/otel';
import type { RunOutcome, WorkflowContext } from '@spanledger/otel';
import type { AuditPipeline } from '../audit-pipeline.ts';
import { compileRules } from '../rules/compile-rules.ts';
import type { CompiledRules, StartRule } from '../rules/compile-rules.ts';
import type { DesignationRules } from '../rules/designation-rule.ts';
import { spanReference } from '../span-reference.ts';
import { endEvents, findStartRule, startEvent } from './designate.ts';
import { SpanFaults } from './span-faults.ts';
import type { FaultKind } from './span-faults.ts';
import type { SpanView } from './span-view.ts';

const log = diag.createComponentLogger({ namespace: '@spanledger/audit' });

export interface AuditSpanOptions {
  readonly pipeline: AuditPipeline;
  /** Which spans are audit events. Spans with the attribute `forge.audit.event` are, without any rule. */
  readonly rules?: DesignationRules;
}

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
  // I7: weak, both. Most spans are in neither.
  readonly #begun = new WeakMap<object, Beginning>();
  readonly #told = new WeakSet<object>();

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
      if (entry) this.#beginRun(span, scope);
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
    if (!(await this.#pipeline.flush()))
      log.warn('flushed in part: the deadline came before the last events were stored');
  }

  async shutdown(): Promise<void> {
    await this.forceFlush();
  }

  #emitEnd(span: SpanView, rule: StartRule | undefined): void {
    const inputs = endEvents(span, this.#rules, rule, this.#faults);
    if (inputs.length === 0 || this.#told.has(span)) return;
    this.#told.add(span);
    const scope = scopeOf(span);
    for (const input of inputs) this.#pipeline.emit(scope, input);
  }

  #beginRun(span: SpanView, scope: WorkflowContext): void {
    this.#pipeline.brackets.begin(scope, {
      time: span.startTime,
      span: spanReference(span.spanContext(), span.parentSpanContext),
    });
  }

  /** After the entry span's own events. */
  #endRun(span: SpanView): void {
    const scope = scopeOf(span);
    const outcome = scope.run.outcome ?? outcomeOf(span);
    const [seconds, nanos] = span.duration;
    const durationMs = seconds * 1000 + nanos / 1_000_000;
    this.#pipeline.brackets.end(scope, outcome, {
      time: span.endTime,
      span: spanReference(span.spanContext(), span.parentSpanContext),
      durationMs,
    });
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
