import { ROOT_CONTEXT, SpanKind, context, trace } from '@opentelemetry/api';
import type { Span } from '@opentelemetry/api';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  InMemorySpanExporter,
  ParentBasedSampler,
  SimpleSpanProcessor,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';
import type { ReadableSpan, Sampler } from '@opentelemetry/sdk-trace';
import { RUN_ID_ATTRIBUTE, WORKFLOW_FIELDS } from '@spanledger/protocol';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  WorkflowPropagator,
  WorkflowSampler,
  WorkflowSpanProcessor,
  bindWorkflow,
  currentWorkflow,
  extractWorkflow,
  probePipeline,
} from '../src/index.ts';
import {
  Run,
  getWorkflowContext,
  linkSpan,
  processState,
  setWorkflowContext,
  workflowOfSpan,
} from '../src/internal.ts';
import { FULL, headersOf, registerTracing, unregisterTracing } from './support.ts';

afterEach(() => {
  unregisterTracing();
  vi.useRealTimers();
});

const start = (name: string, ctx = context.active(), options = {}) =>
  trace.getTracer('any').startSpan(name, options, ctx);
const attributesOf = (span: Span) => (span as unknown as ReadableSpan).attributes;
const STAMP = Object.fromEntries(WORKFLOW_FIELDS.map(({ key, attribute }) => [attribute, FULL[key]]));

describe('WorkflowSpanProcessor', () => {
  it('stamps every span inside a request: children, and roots too', () => {
    registerTracing();
    const ctx = extractWorkflow(headersOf(FULL), undefined, ROOT_CONTEXT);
    const runId = getWorkflowContext(ctx)?.run.id;
    const server = start('server', ctx);
    const child = start('child', trace.setSpan(ctx, server));
    const root = start('root', trace.setSpan(ctx, server), { root: true });
    for (const span of [server, child, root])
      expect(attributesOf(span)).toStrictEqual({ ...STAMP, [RUN_ID_ATTRIBUTE]: runId });
  });

  it('stamps the run alone on a request without headers, and nothing outside of requests', () => {
    registerTracing();
    const ctx = extractWorkflow({}, undefined, ROOT_CONTEXT);
    expect(attributesOf(start('request', ctx))).toStrictEqual({ [RUN_ID_ATTRIBUTE]: getWorkflowContext(ctx)?.run.id });
    const background = start('background', ROOT_CONTEXT);
    expect(attributesOf(background)).toStrictEqual({});
    expect(workflowOfSpan(background)).toBe(processState().instance);
  });

  it('finds the run by the parent span where a framework has replaced the context', () => {
    registerTracing();
    const ctx = extractWorkflow(headersOf(FULL), undefined, ROOT_CONTEXT);
    const server = start('server', ctx);
    const child = start('child', trace.setSpan(ROOT_CONTEXT, server));
    expect(workflowOfSpan(child)).toBe(getWorkflowContext(ctx));
    expect(attributesOf(child)).toMatchObject(STAMP);
  });

  it('stamps a step inside a run with the identity of the step', () => {
    registerTracing();
    const run = new Run('workflow', { executionId: 'ex' });
    const ctx = setWorkflowContext(ROOT_CONTEXT, { run, workflow: { executionId: 'ex', stepId: 'plan', attempt: 2 } });
    expect(attributesOf(start('step', ctx))).toStrictEqual({
      'forge.workflow.execution.id': 'ex',
      'forge.workflow.step.id': 'plan',
      'forge.workflow.step.attempt': 2,
      [RUN_ID_ATTRIBUTE]: run.id,
    });
  });

  it('sends the late spans of a closed run to the instance run', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    registerTracing();
    const ctx = extractWorkflow(headersOf(FULL), undefined, ROOT_CONTEXT);
    const server = start('server', ctx);
    getWorkflowContext(ctx)?.run.markTerminal();
    vi.advanceTimersByTime(10 * 60_000);
    expect(workflowOfSpan(start('in time', ctx))).toBe(getWorkflowContext(ctx));
    vi.advanceTimersByTime(1);
    expect(workflowOfSpan(start('late', ctx))).toBe(processState().instance);
    expect(workflowOfSpan(start('late child', trace.setSpan(ROOT_CONTEXT, server)))).toBe(processState().instance);
    expect(context.with(ctx, () => currentWorkflow())).toBeUndefined();
  });

  it('decides once per span, whoever asks', () => {
    const span = {};
    const first = linkSpan(span, extractWorkflow(headersOf(FULL), undefined, ROOT_CONTEXT));
    expect(linkSpan(span, ROOT_CONTEXT)).toBe(first);
    expect(first.workflow).toStrictEqual(FULL);
  });

  it('never throws into the application', () => {
    const span = {
      setAttribute: () => {
        throw new Error('no');
      },
    } as unknown as Span;
    const ctx = extractWorkflow(headersOf(FULL), undefined, ROOT_CONTEXT);
    expect(() => new WorkflowSpanProcessor().onStart(span, ctx)).not.toThrow();
  });
});

describe('WorkflowSampler', () => {
  /** The same 400 traces of a parent and a child; every third with an unsampled remote parent, every fourth a sampled one. */
  function runTraces(sampler: Sampler) {
    let ids = 0;
    const next = (digits: number) =>
      (BigInt((ids += 1)) * 0x9e3779b97f4a7c15n).toString(16).padStart(digits, '0').slice(-digits);
    const exporter = new InMemorySpanExporter();
    const recorded: string[] = [];
    const recorder = Object.assign(new WorkflowSpanProcessor(), {
      onStart: (span: Span) => void recorded.push(`${span.spanContext().spanId} ${span.spanContext().traceFlags}`),
    });
    registerTracing({
      sampler,
      processors: [recorder, new SimpleSpanProcessor({ exporter })],
      idGenerator: { generateTraceId: () => next(32).replace(/^0{16}/, next(16)), generateSpanId: () => next(16) },
    });
    const flags: number[] = [];
    for (let i = 0; i < 400; i += 1) {
      const remote = { traceId: next(32).replace(/^0{16}/, next(16)), spanId: next(16), isRemote: true };
      const ctx =
        i % 3 === 0
          ? trace.setSpanContext(ROOT_CONTEXT, { ...remote, traceFlags: 0 })
          : i % 4 === 0
            ? trace.setSpanContext(ROOT_CONTEXT, { ...remote, traceFlags: 1 })
            : ROOT_CONTEXT;
      const parent = start('parent', ctx);
      const child = start('child', trace.setSpan(ctx, parent));
      flags.push(parent.spanContext().traceFlags, child.spanContext().traceFlags);
      child.end();
      parent.end();
    }
    unregisterTracing();
    return { flags, exported: exporter.getFinishedSpans().map((span) => span.spanContext().spanId), recorded };
  }

  it.each<[string, Sampler]>([
    ['0 %', new AlwaysOffSampler()],
    ['1 %', new TraceIdRatioBasedSampler(0.01)],
    ['50 %', new TraceIdRatioBasedSampler(0.5)],
    ['100 %', new AlwaysOnSampler()],
    ['0 %, parent based', new ParentBasedSampler({ root: new AlwaysOffSampler() })],
    ['50 %, parent based', new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(0.5) })],
    ['100 %, parent based', new ParentBasedSampler({ root: new AlwaysOnSampler() })],
  ])('records all at %s, and changes neither flags nor what is exported', (_name, sampler) => {
    const without = runTraces(sampler);
    const withOurs = runTraces(new WorkflowSampler(sampler));
    expect(withOurs.flags).toStrictEqual(without.flags);
    expect(withOurs.exported).toStrictEqual(without.exported);
    expect(withOurs.exported).toHaveLength(withOurs.flags.filter((flag) => flag === 1).length);
    expect(withOurs.recorded).toHaveLength(800);
  });

  it("keeps the wrapped sampler's attributes and trace state, and says what it wraps", () => {
    const result = { decision: 0, attributes: { rule: 'x' } };
    const sampler = new WorkflowSampler({ shouldSample: () => result, toString: () => 'Mine' });
    expect(sampler.shouldSample(ROOT_CONTEXT, '', '', SpanKind.INTERNAL, {}, [])).toStrictEqual({
      decision: 1,
      attributes: { rule: 'x' },
    });
    expect(result.decision).toBe(0);
    expect(String(sampler)).toBe('WorkflowSampler{Mine}');
  });

  it("records only spans inside workflows with record: 'workflow'", () => {
    registerTracing({ sampler: new WorkflowSampler(new AlwaysOffSampler(), { record: 'workflow' }) });
    const inside = extractWorkflow(headersOf({ stepId: 'plan' }), undefined, ROOT_CONTEXT);
    expect(start('inside', inside).isRecording()).toBe(true);
    expect(start('child', trace.setSpan(ROOT_CONTEXT, start('inside', inside))).isRecording()).toBe(true);
    expect(start('no headers', extractWorkflow({}, undefined, ROOT_CONTEXT)).isRecording()).toBe(false);
    expect(
      start('caller only', extractWorkflow(headersOf({ caller: 'x' }), undefined, ROOT_CONTEXT)).isRecording(),
    ).toBe(false);
    expect(start('outside', ROOT_CONTEXT).isRecording()).toBe(false);
  });
});

describe('probePipeline', () => {
  it('finds all of our parts, and nothing is exported', () => {
    for (const record of ['all', 'workflow'] as const) {
      const { exporter } = registerTracing({
        propagator: new WorkflowPropagator(),
        sampler: new WorkflowSampler(new AlwaysOnSampler(), { record }),
      });
      expect(probePipeline()).toStrictEqual({
        sampler: true,
        spanProcessor: true,
        auditProcessor: false,
        propagator: true,
        contentProcessor: false,
        recording: true,
      });
      expect(exporter.getFinishedSpans()).toHaveLength(0);
      unregisterTracing();
    }
  });

  it('misses what is not there', () => {
    const nothing = {
      sampler: false,
      spanProcessor: false,
      auditProcessor: false,
      propagator: false,
      contentProcessor: false,
      recording: false,
    };
    expect(probePipeline()).toStrictEqual(nothing);
    registerTracing({ sampler: new AlwaysOffSampler() });
    expect(probePipeline()).toStrictEqual(nothing);
    unregisterTracing();
    registerTracing({ sampler: new AlwaysOnSampler() });
    expect(probePipeline()).toStrictEqual({ ...nothing, spanProcessor: true, recording: true });
  });

  it('misses a sampler of ours that is inside another one, and not asked about the children of unsampled callers', () => {
    registerTracing({ sampler: new ParentBasedSampler({ root: new WorkflowSampler(new AlwaysOnSampler()) }) });
    expect(probePipeline()).toMatchObject({ sampler: false, spanProcessor: true, recording: true });
    unregisterTracing();
    registerTracing({ sampler: new WorkflowSampler(new ParentBasedSampler({ root: new AlwaysOnSampler() })) });
    expect(probePipeline()).toMatchObject({ sampler: true });
  });
});

describe('currentWorkflow and bindWorkflow', () => {
  it('know where they are, and carry it to where nobody is', () => {
    registerTracing();
    const ctx = extractWorkflow(headersOf(FULL), undefined, ROOT_CONTEXT);
    const here = { ...FULL, runId: getWorkflowContext(ctx)?.run.id };
    expect(currentWorkflow()).toBeUndefined();
    const bound = context.with(ctx, () => bindWorkflow((a: number, b: number) => [a + b, currentWorkflow()]));
    expect(bound(1, 2)).toStrictEqual([3, here]);
    const other = extractWorkflow({}, undefined, ROOT_CONTEXT);
    expect(context.with(other, () => bound(1, 2))).toStrictEqual([3, here]);
    // By the span alone.
    expect(currentWorkflow(trace.setSpan(ROOT_CONTEXT, start('server', ctx)))).toStrictEqual(here);
  });

  it('bound outside of every request stays outside', () => {
    registerTracing();
    const bound = bindWorkflow(() => currentWorkflow());
    expect(context.with(extractWorkflow(headersOf(FULL), undefined, ROOT_CONTEXT), bound)).toBeUndefined();
  });
});
