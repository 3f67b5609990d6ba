import type { Attributes, Context, Link, SpanKind, TraceState } from '@opentelemetry/api';
import { workflowOf } from './link-span.ts';
import { markProbe } from './pipeline-probe.ts';
import { isInWorkflow } from './workflow-context.ts';

/** The values of `SamplingDecision`, which every SDK package exports as an enum of its own. */
const NOT_RECORD = 0;
const RECORD = 1;

export interface SamplingResultShape {
  decision: number;
  attributes?: Readonly<Attributes>;
  traceState?: TraceState;
}

/** The shape of the SDK's `Sampler`, 2.x and 3.x. */
export interface SamplerShape {
  shouldSample(
    ctx: Context,
    traceId: string,
    spanName: string,
    spanKind: SpanKind,
    attributes: Attributes,
    links: Link[],
  ): SamplingResultShape;
  toString(): string;
}

export interface WorkflowSamplerOptions {
  /**
   * `all` (default): every span is recorded. `workflow`: only spans inside a workflow; designation rules then need what is
   * known when a span starts.
   */
  readonly record?: 'all' | 'workflow' | undefined;
}

/**
 * Decides as the sampler it wraps, but what that would not even record is recorded, and still not sampled.
 *
 * I4: so every span can be designated, while the trace's sampled flag, the decision of children, and the volume that is
 * exported stay as they were. Wrap the outermost sampler (`ParentBasedSampler`, not its root).
 *
 * The SDK's own `createAlwaysRecordSampler` does the first half, but exists since 2.12 only and in one SDK package, knows no
 * `record: 'workflow'`, and cannot answer the start-up probe.
 */
export class WorkflowSampler implements SamplerShape {
  readonly #delegate: SamplerShape;
  readonly #recordAll: boolean;

  constructor(delegate: SamplerShape, options: WorkflowSamplerOptions = {}) {
    this.#delegate = delegate;
    this.#recordAll = options.record !== 'workflow';
  }

  shouldSample(...args: Parameters<SamplerShape['shouldSample']>): SamplingResultShape {
    const [ctx] = args;
    if (markProbe(ctx, 'sampler')) return { decision: RECORD };
    const result = this.#delegate.shouldSample(...args);
    if (result.decision !== NOT_RECORD) return result;
    if (!this.#recordAll && !isInWorkflow(workflowOf(ctx).workflow)) return result;
    return { ...result, decision: RECORD };
  }

  toString(): string {
    return `WorkflowSampler{${this.#delegate.toString()}}`;
  }
}
