import { ROOT_CONTEXT } from '@opentelemetry/api';
import type { Context, Tracer } from '@opentelemetry/api';
import { WorkflowSpanProcessor, extractWorkflow } from '@spanledger/otel';
import { Run, setWorkflowContext } from '@spanledger/otel/internal';
import { assertLedger, assertValidEvents } from '@spanledger/testkit';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import type { Sampler, SpanExporter, SpanLimits, SpanProcessor } from '@opentelemetry/sdk-trace-node';
import { AuditSpanProcessor, createAuditPipeline, memorySink } from '../src/index.ts';
import type {
  AuditPipeline,
  AuditPipelineOptions,
  AuditSpanExporter,
  DesignationRules,
  LifecycleMode,
  MemorySink,
} from '../src/index.ts';

export interface Traced {
  readonly provider: NodeTracerProvider;
  readonly tracer: Tracer;
  readonly processor: AuditSpanProcessor;
  readonly pipeline: AuditPipeline;
  readonly sink: MemorySink;
  /** Flushes; every event fits the schema, every run is contiguous and chained. */
  events(): Promise<TestEvent[]>;
}

export interface TestEvent {
  readonly event: string;
  readonly run_id: string;
  readonly fields?: Record<string, unknown>;
  readonly [key: string]: unknown;
}

export interface TracedOptions {
  readonly rules?: DesignationRules;
  readonly lifecycle?: LifecycleMode;
  readonly sampler?: Sampler;
  readonly spanLimits?: SpanLimits;
  /** Of the pipeline, beside producer, sink and lifecycle. */
  readonly pipelineOptions?: Partial<AuditPipelineOptions>;
  /** Takes transcripts, up to so many bytes. Default: none. */
  readonly maxTranscriptBytes?: number;
  /** Also given to the provider. */
  readonly also?: SpanProcessor[];
}

/** A real tracer provider with our processors, and a pipeline into memory. Nothing global is touched. */
export function traced(options: TracedOptions = {}): Traced {
  const {
    rules = [],
    lifecycle = 'with-events',
    also = [],
    maxTranscriptBytes = 0,
    pipelineOptions,
    ...config
  } = options;
  const sink = memorySink({ maxTranscriptBytes });
  const pipeline = createAuditPipeline({ producer: 'test-agent', sink, lifecycle, ...pipelineOptions });
  const processor = new AuditSpanProcessor({ pipeline, rules });
  const spanProcessors: SpanProcessor[] = [new WorkflowSpanProcessor(), processor, ...also];
  const provider = new NodeTracerProvider({ ...config, spanProcessors });
  const events = () => eventsOf(pipeline, sink);
  return { provider, tracer: provider.getTracer('test-scope'), processor, pipeline, sink, events };
}

export async function eventsOf(pipeline: AuditPipeline, sink: MemorySink): Promise<TestEvent[]> {
  if (!(await pipeline.flush())) throw new Error('the pipeline did not flush');
  assertLedger(sink.records);
  return assertValidEvents(sink.records) as unknown as TestEvent[];
}

/** A context as an inbound request makes it. */
export function inbound(headers: Record<string, string> = {}): Context {
  return extractWorkflow(headers, undefined, ROOT_CONTEXT);
}

/** A context with a run of its own, that no entry span brackets. */
export function inRun(): Context {
  return setWorkflowContext(ROOT_CONTEXT, { run: new Run('workflow', {}), workflow: {} });
}

/** Our exporter fits where the SDK takes one. */
export function asExporter(exporter: AuditSpanExporter): SpanExporter {
  return exporter;
}
