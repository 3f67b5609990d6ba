import { BatchSpanProcessor, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { SpanProcessor } from '@opentelemetry/sdk-trace-node';
import { WorkflowSpanProcessor } from '@spanledger/otel';
import { getWorkflowContext } from '@spanledger/otel/internal';
import type { AuditSink } from '@spanledger/protocol';
import { describe, expect, it } from 'vitest';
import { AuditSpanExporter, createAuditPipeline, memorySink } from '../src/index.ts';
import type { AuditSpanExporterOptions, ExportResultShape, SpanView } from '../src/index.ts';
import { asExporter, eventsOf, inbound } from './span-fixture.ts';
import { gateSink } from './support.ts';

const charge = { when: { name: 'charge-card' }, event: 'payment', fields: ['amount'] };

function exporterTo(sink: AuditSink, options: Partial<AuditSpanExporterOptions> = {}) {
  const pipeline = createAuditPipeline({ producer: 'test-agent', sink });
  return { pipeline, exporter: new AuditSpanExporter({ pipeline, rules: charge, ...options }) };
}

function tracerInto(...spanProcessors: SpanProcessor[]) {
  const provider = new NodeTracerProvider({ spanProcessors });
  return { provider, tracer: provider.getTracer('test') };
}

const batch = (exporter: AuditSpanExporter) => new BatchSpanProcessor(asExporter(exporter));

function exported(exporter: AuditSpanExporter, spans: SpanView[]): Promise<ExportResultShape> {
  return new Promise((resolve) => exporter.export(spans, resolve));
}

/** Ended spans of one execution, or of none. */
function endedSpans(names: string[], attributes: Record<string, string | number> = {}): SpanView[] {
  const { tracer } = tracerInto();
  return names.map((name) => {
    const span = tracer.startSpan(name, { attributes });
    span.end();
    return span as unknown as SpanView;
  });
}

describe('AuditSpanExporter behind the BatchSpanProcessor', () => {
  it('seals designated spans into the runs that WorkflowSpanProcessor linked them to', async () => {
    const sink = memorySink();
    const { pipeline, exporter } = exporterTo(sink);
    const { provider, tracer } = tracerInto(new WorkflowSpanProcessor(), batch(exporter));
    const ctx = inbound({ 'x-workflow-execution-id': 'ex' });
    tracer.startSpan('charge-card', { attributes: { amount: 1 } }, ctx).end();
    tracer.startSpan('other', {}, ctx).end();
    await provider.forceFlush();
    const run_id = getWorkflowContext(ctx)!.run.id;
    expect(await eventsOf(pipeline, sink)).toMatchObject([
      { event: 'payment', run_id, workflow_execution_id: 'ex', fields: { amount: 1 } },
    ]);
    await provider.shutdown();
  });

  it('mints a run for each execution that attributes name, where nothing has linked them', async () => {
    const sink = memorySink();
    const { pipeline, exporter } = exporterTo(sink);
    const { provider, tracer } = tracerInto(batch(exporter));
    for (const id of ['ex1', 'ex2', 'ex1']) {
      const attributes = {
        'forge.workflow.id': 'wf',
        'forge.workflow.execution.id': id,
        'forge.workflow.step.id': 'plan',
        'forge.workflow.step.attempt': 2,
        'forge.invocation.caller': 'bad value',
      };
      tracer.startSpan('charge-card', { attributes }).end();
    }
    await provider.shutdown();
    const events = await eventsOf(pipeline, sink);
    expect(events.map((event) => [event['workflow_execution_id'], event['seq']])).toEqual([
      ['ex1', 1],
      ['ex2', 1],
      ['ex1', 2],
    ]);
    expect(events[0]).toMatchObject({ workflow_id: 'wf', step_id: 'plan', attempt_epoch: 2 });
    expect(events[0]).not.toHaveProperty('invocation_caller');
    expect(new Set(events.map(({ run_id }) => run_id)).size).toBe(2);
  });

  it('has the start event as well', async () => {
    const sink = memorySink();
    const rules = { when: { name: 'import' }, event: { start: 'import_started', end: 'import_done' } };
    const { pipeline, exporter } = exporterTo(sink, { rules });
    const { provider, tracer } = tracerInto(new WorkflowSpanProcessor(), new SimpleSpanProcessor(asExporter(exporter)));
    tracer.startSpan('import', { startTime: [100, 0] }, inbound()).end([101, 0]);
    await provider.shutdown();
    expect(await eventsOf(pipeline, sink)).toMatchObject([
      { event: 'import_started', ts: '1970-01-01T00:01:40.000000Z' },
      { event: 'import_done', ts: '1970-01-01T00:01:41.000000Z', duration_ms: 1000 },
    ]);
  });
});

describe('AuditSpanExporter.export', () => {
  const execution = { 'forge.workflow.execution.id': 'ex' };

  it('succeeds only when the sink has stored the events', async () => {
    const sink = gateSink();
    const { exporter } = exporterTo(sink);
    let result: ExportResultShape | undefined;
    exporter.export(endedSpans(['charge-card', 'other', 'charge-card'], execution), (given) => (result = given));
    while (sink.started < 2) await new Promise(setImmediate);
    expect(result).toBeUndefined();
    sink.open();
    while (result === undefined) await new Promise(setImmediate);
    expect(result).toEqual({ code: 0 });
    expect(sink.stored.records).toHaveLength(2);
  });

  it('fails with the error of the sink if one event is not stored', async () => {
    const { exporter, pipeline } = exporterTo(memorySink({ maxEvents: 1 }));
    const result = await exported(exporter, endedSpans(['charge-card', 'charge-card'], execution));
    expect(result).toMatchObject({ code: 1, error: { message: expect.stringContaining('memory sink is full') } });
    await pipeline.shutdown();
  });

  it('fails if the pipeline is closed', async () => {
    const { exporter, pipeline } = exporterTo(memorySink());
    await pipeline.shutdown();
    expect(await exported(exporter, endedSpans(['charge-card'], execution))).toMatchObject({ code: 1 });
    expect(await exported(exporter, endedSpans(['other'], execution))).toEqual({ code: 0 });
  });

  it('is survived when its callback throws: the process is not ended', async () => {
    const exporter = new AuditSpanExporter({ pipeline: createAuditPipeline({ producer: 'svc', sink: memorySink() }) });
    exporter.export([], () => {
      throw new Error('callback');
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(exporter.faults.export_callback).toBe(1);
  });

  it('fails after its shutdown', async () => {
    const { exporter } = exporterTo(memorySink());
    await exporter.shutdown();
    const result = await exported(exporter, endedSpans(['charge-card'], execution));
    expect(result).toMatchObject({ code: 1, error: { code: 'SPANLEDGER_SINK_CLOSED' } });
  });

  it('succeeds with nothing to do, and fails on what is no span', async () => {
    const sink = memorySink();
    const { exporter } = exporterTo(sink);
    expect(await exported(exporter, [])).toEqual({ code: 0 });
    const result = await exported(exporter, [null as never, ...endedSpans(['charge-card'], execution)]);
    expect(result).toMatchObject({ code: 1 });
    expect(exporter.faults.end_hook).toBe(1);
    expect(sink.records).toHaveLength(1);
  });

  it('remembers a bounded number of runs: the one not used for longest goes on in a new one', async () => {
    const sink = memorySink();
    const { exporter, pipeline } = exporterTo(sink, { runsMax: 2 });
    for (const id of ['a', 'b', 'a', 'c', 'a', 'b']) {
      await exported(exporter, endedSpans(['charge-card'], { 'forge.workflow.execution.id': id }));
    }
    const events = await eventsOf(pipeline, sink);
    expect(events.map((event) => `${String(event['workflow_execution_id'])}${String(event['seq'])}`)).toEqual([
      'a1',
      'b1',
      'a2',
      'c1',
      'a3',
      'b1',
    ]);
    expect(() => exporterTo(memorySink(), { runsMax: 0 })).toThrow(/runsMax/);
  });
});
