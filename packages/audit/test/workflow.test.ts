import { getEventListeners } from 'node:events';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { currentWorkflow } from '@spanledger/otel';
import type { AuditEvent } from '@spanledger/protocol';
import { TracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { assertLedger, assertValidEvents } from '@spanledger/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createAuditPipeline, memorySink, registerPipeline, workflow } from '../src/index.ts';
import type { MemorySink, WorkflowRun } from '../src/index.ts';
import { eventsOf } from './support.ts';

const exporter = new InMemorySpanExporter();
const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
let sink: MemorySink;
let flush: () => Promise<unknown>;
let unregister = (): void => {};

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(provider);
});
afterAll(async () => {
  unregister();
  trace.disable();
  context.disable();
  await provider.shutdown();
});
beforeEach(renew);

function renew(): void {
  unregister();
  exporter.reset();
  sink = memorySink();
  const pipeline = createAuditPipeline({ producer: 'orchestrator', sink });
  unregister = registerPipeline(pipeline);
  flush = () => pipeline.flush();
}

async function events(): Promise<AuditEvent[]> {
  await flush();
  assertLedger(sink.records);
  assertValidEvents(sink.records);
  return eventsOf(sink);
}

const brief = ({ event, step_id, attempt_epoch }: AuditEvent): string =>
  step_id === undefined ? event : `${event} ${step_id} ${attempt_epoch}`;

describe('workflow.run', () => {
  it('records a workflow from its start to its end, and returns what it returns', async () => {
    let seen: WorkflowRun | undefined;
    const result = await workflow.run({ workflowId: 'report', executionId: 'ex-1' }, async (run) => {
      seen = run;
      const plan = await run.step('plan', { stage: 'prepare' }, () => 'the plan');
      await run.step('write', ({ attempt }) => expect(attempt).toBe(1));
      return plan;
    });
    expect(result).toBe('the plan');
    const all = await events();
    expect(all.map(brief)).toEqual([
      'workflow_started',
      'workflow_step_started plan 1',
      'workflow_step_completed plan 1',
      'workflow_step_started write 1',
      'workflow_step_completed write 1',
      'workflow_complete',
    ]);
    for (const event of all) {
      expect(event).toMatchObject({
        workflow_id: 'report',
        workflow_execution_id: 'ex-1',
        run_id: seen?.runId,
        entity_type: 'workflow',
      });
    }
    expect(all.map(({ stage_id }) => stage_id)).toEqual([
      undefined,
      'prepare',
      'prepare',
      undefined,
      undefined,
      undefined,
    ]);
    expect(all.map((event) => 'duration_ms' in event)).toEqual([false, false, true, false, true, true]);
    expect(seen).toMatchObject({ workflowId: 'report', executionId: 'ex-1' });
  });

  it('makes up an execution, and never a definition', async () => {
    const ids = [];
    for (let n = 0; n < 2; n += 1) ids.push(await workflow.run({}, async (run) => run.executionId));
    expect(new Set(ids).size).toBe(2);
    expect(ids[0]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    for (const event of await events()) expect(event).not.toHaveProperty('workflow_id');
  });

  it.each([{ workflowId: '' }, { workflowId: 'a b' }, { executionId: 'ž' }, { executionId: 'x'.repeat(129) }])(
    'refuses %j before anything is recorded',
    async (options) => {
      await expect(workflow.run(options, async () => 1)).rejects.toMatchObject({ code: 'SPANLEDGER_VALUE' });
      expect(await events()).toEqual([]);
    },
  );

  it('puts spans around workflow and steps, and the ids of those into the events', async () => {
    await workflow.run({ workflowId: 'report' }, async (run) => {
      await run.step('outer', () => run.step('inner', () => trace.getTracer('app').startSpan('work').end()));
    });
    const spans = new Map(exporter.getFinishedSpans().map((span) => [span.name, span]));
    const parentOf = (name: string) => spans.get(name)?.parentSpanContext?.spanId;
    expect([...spans.keys()].sort()).toEqual(['step inner', 'step outer', 'work', 'workflow report']);
    expect(parentOf('work')).toBe(spans.get('step inner')?.spanContext().spanId);
    expect(parentOf('step inner')).toBe(spans.get('step outer')?.spanContext().spanId);
    expect(parentOf('step outer')).toBe(spans.get('workflow report')?.spanContext().spanId);
    for (const event of await events()) {
      const span = spans.get(event.step_id ? `step ${event.step_id}` : 'workflow report');
      expect(event).toMatchObject({
        trace_id: span?.spanContext().traceId,
        span_id: span?.spanContext().spanId,
        trace_sampled: true,
      });
      expect(event.parent_span_id).toBe(span?.parentSpanContext?.spanId);
    }
  });

  it('works and records nothing without a pipeline', async () => {
    unregister();
    expect(await workflow.run({}, (run) => run.step('a', () => 42))).toBe(42);
    expect(await workflow.phase('a', ({ attempt }) => attempt)).toBe(1);
    expect(await Promise.all([1, 2].map((n) => workflow.phase('a', () => n)))).toEqual([1, 2]);
    expect(await events()).toEqual([]);
  });

  it('is a run of its own inside of another', async () => {
    const [outer, inner] = await workflow.run({ executionId: 'outer' }, async (run) => [
      currentWorkflow(),
      await run.step('sub', () => workflow.run({ executionId: 'inner' }, async () => currentWorkflow())),
    ]);
    expect(outer).toMatchObject({ executionId: 'outer' });
    expect(inner).toEqual({ executionId: 'inner', runId: expect.not.stringMatching(outer!.runId) });
  });
});

describe('run.step', () => {
  it('names the step around it as its parent, and inherits its stage', async () => {
    await workflow.run({}, async (run) => {
      await run.step('outer', { stage: 's', attempt: 3 }, () =>
        Promise.all([run.step('left', () => 1), run.step('right', { stage: 't' }, () => 2)]),
      );
    });
    const started = (await events()).filter(({ event }) => event === 'workflow_step_started');
    const parent = { parent: { step_id: 'outer', attempt_epoch: 3 } };
    expect(started.map(({ step_id, stage_id, fields }) => [step_id, stage_id, fields])).toEqual([
      ['outer', 's', undefined],
      ['left', 's', parent],
      ['right', 't', parent],
    ]);
  });

  it('counts attempts, also those of a loop around it', async () => {
    await workflow.run({}, async (run) => {
      await run.step('a', () => 1);
      await run.step('a', () => 1);
      await run.step('a', { attempt: 7 }, () => 1);
      await run.step('a', ({ attempt }) => expect(attempt).toBe(8));
      await expect(run.step('a', { attempt: 8 }, () => 1)).rejects.toMatchObject({ code: 'SPANLEDGER_VALUE' });
    });
    const started = (await events()).filter(({ event }) => event === 'workflow_step_started');
    expect(started.map(({ attempt_epoch }) => attempt_epoch)).toEqual([1, 2, 7, 8]);
  });

  it('tries again as often as it is told, and each try is recorded', async () => {
    let tries = 0;
    const flaky = () => {
      tries += 1;
      if (tries < 3) throw new RangeError(`try ${tries}`);
      return 'at last';
    };
    expect(await workflow.run({}, (run) => run.step('flaky', { attempts: 3 }, flaky))).toBe('at last');
    const all = await events();
    expect(all.slice(1, -1).map(brief)).toEqual([
      'workflow_step_started flaky 1',
      'workflow_step_failed flaky 1',
      'stream_rewind flaky 2',
      'workflow_step_started flaky 2',
      'workflow_step_failed flaky 2',
      'stream_rewind flaky 3',
      'workflow_step_started flaky 3',
      'workflow_step_completed flaky 3',
    ]);
    expect(all[2]?.fields).toEqual({ status: 'error', error_type: 'RangeError', error_message: 'try 1' });
  });

  it('passes an error on unchanged that throws when it is looked at', async () => {
    class Hostile extends Error {
      override get name(): string {
        throw new Error('name');
      }
    }
    const hostile = new Hostile('m');
    const fail = () => Promise.reject(hostile);
    await expect(workflow.run({}, (run) => run.step('s', fail))).rejects.toBe(hostile);
    expect((await events()).map(({ event }) => event).slice(-2)).toEqual(['workflow_step_failed', 'workflow_failed']);
  });

  it('passes errors on unchanged', async () => {
    const thrown = Object.freeze({ odd: true });
    const caught = await workflow
      .run({}, (run) => run.step('a', { attempts: 2 }, () => Promise.reject(thrown)))
      .catch((e: unknown) => e);
    expect(caught).toBe(thrown);
    const all = await events();
    expect(all.at(-1)).toMatchObject({ event: 'workflow_failed', fields: { status: 'error' } });
    expect(all.filter(({ event }) => event === 'workflow_step_failed')).toHaveLength(2);
    expect(exporter.getFinishedSpans().map(({ status }) => status.code)).toEqual([2, 2, 2]);
  });

  it('is not entered twice at once', async () => {
    await workflow.run({}, async (run) => {
      const first = run.step('a', () => new Promise((resolve) => setImmediate(resolve)));
      await expect(run.step('a', () => 1)).rejects.toMatchObject({ code: 'SPANLEDGER_STEP_ACTIVE' });
      await first;
      await run.step('a', () => 1);
    });
    expect((await events()).filter(({ event }) => event === 'workflow_step_started')).toHaveLength(2);
  });

  it.each([
    ['', {}],
    ['a b', {}],
    ['a', { stage: ' ' }],
    ['a', { attempt: 0 }],
    ['a', { attempts: 1.5 }],
  ])('refuses %j %j before anything is recorded', async (name, options) => {
    await workflow.run({}, async (run) => {
      await expect(run.step(name, options, () => 1)).rejects.toMatchObject({ code: 'SPANLEDGER_VALUE' });
    });
    expect(await events()).toHaveLength(2);
  });
});

describe('cancellation', () => {
  it('is recorded when the signal is aborted, for the steps in flight too', async () => {
    const controller = new AbortController();
    const reason = new Error('operator pressed stop');
    const hang = ({ signal }: { signal: AbortSignal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
    const running = workflow.run({ signal: controller.signal }, async (run) => {
      await Promise.all([run.step('a', { attempts: 3 }, hang), run.step('b', () => new Promise(() => {}))]);
    });
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    const all = await events();
    expect(all.map(brief)).toEqual([
      'workflow_started',
      'workflow_step_started a 1',
      'workflow_step_started b 1',
      'workflow_step_failed a 1',
      'workflow_step_failed b 1',
      'workflow_cancelled',
    ]);
    for (const event of all.slice(3))
      expect(event.fields).toMatchObject({ status: 'cancelled', error_message: 'operator pressed stop' });
  });

  it('starts no step once it is aborted', async () => {
    const signal = AbortSignal.abort();
    let entered = false;
    await expect(workflow.run({ signal }, async () => (entered = true))).rejects.toMatchObject({ name: 'AbortError' });
    expect(entered).toBe(false);
    expect((await events()).map(brief)).toEqual(['workflow_started', 'workflow_cancelled']);
  });

  it('ends steps that nobody has waited for, and tells them so', async () => {
    let late: Promise<unknown> | undefined;
    let release = (): void => {};
    const failed = workflow.run({}, async (run) => {
      late = run.step(
        'slow',
        ({ signal }) => new Promise<boolean>((resolve) => (release = () => resolve(signal.aborted))),
      );
      await run.step('bad', () => Promise.reject(new Error('bad')));
    });
    await expect(failed).rejects.toThrow('bad');
    release();
    expect(await late).toBe(true);
    expect((await events()).map(brief)).toEqual([
      'workflow_started',
      'workflow_step_started slow 1',
      'workflow_step_started bad 1',
      'workflow_step_failed bad 1',
      'workflow_step_failed slow 1',
      'workflow_failed',
    ]);
  });

  it('lets a step be tried again whose parts are still running', async () => {
    const release: (() => void)[] = [];
    let tries = 0;
    await workflow.run({}, (run) =>
      run.step('outer', { attempts: 2 }, async () => {
        tries += 1;
        if (tries === 2) return run.step('part', () => undefined);
        void run
          .step(
            'part',
            { attempts: 5 },
            () => new Promise<void>((_, reject) => release.push(() => reject(new Error('late')))),
          )
          .catch(() => {});
        throw new Error('once');
      }),
    );
    for (const end of release) end();
    await new Promise((resolve) => setImmediate(resolve));
    expect((await events()).slice(1, -1).map(brief)).toEqual([
      'workflow_step_started outer 1',
      'workflow_step_started part 1',
      'workflow_step_failed part 1',
      'workflow_step_failed outer 1',
      'stream_rewind outer 2',
      'workflow_step_started outer 2',
      'stream_rewind part 2',
      'workflow_step_started part 2',
      'workflow_step_completed part 2',
      'workflow_step_completed outer 2',
    ]);
  });

  it('leaves the signal of what has ended well alone: a response may still be read under it', async () => {
    const signals: AbortSignal[] = [];
    await workflow.run({}, async (run) => {
      signals.push(run.signal);
      await run.step('a', ({ signal }) => void signals.push(signal));
    });
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
  });

  it('lets nothing begin after the end', async () => {
    const run = await workflow.run({}, async (one) => one);
    await expect(run.step('late', () => 1)).rejects.toMatchObject({ name: 'AbortError' });
    expect(await events()).toHaveLength(2);
  });

  it('leaves nothing behind on a signal that outlives it', async () => {
    const { signal } = new AbortController();
    for (let n = 0; n < 20; n += 1) await workflow.run({ signal }, async () => n);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

interface Tree {
  readonly fails: boolean;
  readonly parallel: boolean;
  readonly turns: number;
  readonly steps: readonly Tree[];
}

const tree: fc.Memo<Tree> = fc.memo((depth) =>
  fc.record({
    fails: fc.integer({ max: 4, min: 0 }).map((n) => n === 0),
    parallel: fc.boolean(),
    turns: fc.nat(3),
    steps: depth <= 1 ? fc.constant([]) : fc.array(tree(depth - 1), { maxLength: 3 }),
  }),
);

async function walk(
  run: WorkflowRun,
  { fails, parallel, turns, steps }: Tree,
  path: string,
  attempts: number,
): Promise<void> {
  for (let n = 0; n < turns; n += 1) await new Promise((resolve) => setImmediate(resolve));
  const enter = (step: Tree, index: number) =>
    run.step(`${path}.${index}`, { attempts }, () => walk(run, step, `${path}.${index}`, attempts));
  if (parallel) await Promise.all(steps.map(enter));
  else for (const [index, step] of steps.entries()) await enter(step, index);
  if (fails) throw new Error(path);
}

describe('any tree of steps', () => {
  it('has exactly one start and one end for every step and attempt, inside of the workflow', async () => {
    await fc.assert(
      fc.asyncProperty(tree(4), fc.integer({ min: 1, max: 2 }), async (root, attempts) => {
        renew();
        const failed = await workflow
          .run({}, (run) => walk(run, root, 'r', attempts))
          .then(
            () => false,
            () => true,
          );
        for (let n = 0; n < 8; n += 1) await new Promise((resolve) => setImmediate(resolve));
        const all = await events();
        expect(all[0]?.event).toBe('workflow_started');
        expect(all.at(-1)?.event).toBe(failed ? 'workflow_failed' : 'workflow_complete');
        // Every part ends before what is around it, so no step begins in one that has ended.
        const state = new Map<string, string>();
        const starts = new Map<unknown, string>();
        for (const [index, { event, step_id, attempt_epoch, fields, run_id, seq }] of all.entries()) {
          if (index === 0 || index === all.length - 1 || event === 'stream_rewind') continue;
          const key = `${step_id} ${attempt_epoch}`;
          const started = event === 'workflow_step_started';
          expect(state.get(key)).toBe(started ? undefined : 'workflow_step_started');
          state.set(key, event);
          const before = all[index - 1];
          expect(before?.event === 'stream_rewind').toBe(started && attempt_epoch !== 1);
          if (!started) continue;
          if (attempt_epoch !== 1) {
            expect(brief(before!)).toBe(`stream_rewind ${key}`);
            const superseded = starts.get(step_id);
            expect(before?.fields).toEqual({
              step: step_id,
              new_epoch: attempt_epoch,
              ...(superseded && { superseded_after_event_id: superseded }),
            });
          }
          starts.set(step_id, `${run_id}:${seq}`);
          const parent = fields?.['parent'] as { step_id: string; attempt_epoch: number } | undefined;
          expect(parent?.step_id ?? 'r').toBe(step_id?.replace(/\.\d+$/, ''));
          if (parent) expect(state.get(`${parent.step_id} ${parent.attempt_epoch}`)).toBe('workflow_step_started');
        }
        expect([...state.values()]).not.toContain('workflow_step_started');
      }),
      { numRuns: 200 },
    );
  });
});
