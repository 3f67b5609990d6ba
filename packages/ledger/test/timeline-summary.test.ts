import { describe, expect, it } from 'vitest';
import { summariseNode, timeline } from '../src/index.ts';
import type { TimelineNode } from '../src/index.ts';
import { TestRun, stored } from './history.ts';

const execution = { workflow_execution_id: 'exec-1', trace_id: 'a'.repeat(32) };
const step = { ...execution, step_id: 'write', attempt_epoch: 2 };
const span = (id: string, parent?: string) => ({
  span_id: id.repeat(16),
  ...(parent !== undefined && { parent_span_id: parent.repeat(16) }),
});

async function rootsOf(...events: Parameters<typeof stored>[0]): Promise<readonly TimelineNode[]> {
  return (await timeline(stored(events))).roots;
}

describe('summariseNode', () => {
  it('says of a span what its own events say, and of a run what its spans do', async () => {
    const orchestrator = new TestRun('orchestrator');
    const writer = new TestRun('writer');
    const [run] = await rootsOf(
      orchestrator.seal('workflow_step_started', { ...step, ...span('1') }),
      writer.seal('invocation_started', { ...step, ...span('2', '1') }),
      writer.seal('llm_call', { ...step, ...span('3', '2'), duration_ms: 40, input_tokens: 7, output_tokens: 2 }),
      writer.seal('llm_call_failed', { ...step, ...span('4', '2'), duration_ms: 3, tokens_unavailable: true }),
      writer.seal('invocation_complete', { ...step, ...span('2', '1'), duration_ms: 50 }),
      orchestrator.seal('workflow_step_completed', { ...step, ...span('1'), duration_ms: 60 }),
    );
    const stepNode = run!.children[0]!;
    const called = stepNode.children[0]!;
    const entry = called.children[0]!;
    const at = { stepId: 'write', attempt: 2 };

    expect(summariseNode(run!)).toEqual({
      producer: 'orchestrator',
      runId: orchestrator.runId,
      ...at,
      events: ['workflow_step_started', 'workflow_step_completed'],
      startedAt: '2026-01-02T03:04:05.000000Z',
      durationMs: 60,
    });
    expect(summariseNode(called)).toMatchObject({
      producer: 'writer',
      ...at,
      events: ['invocation_started', 'invocation_complete', 'llm_call', 'llm_call_failed'],
      durationMs: 50,
      tokens: { calls: 2, inputTokens: 7, outputTokens: 2, unavailable: 1 },
    });
    expect(summariseNode(entry)).toEqual({
      producer: 'writer',
      runId: writer.runId,
      ...at,
      events: ['invocation_started', 'invocation_complete'],
      startedAt: '2026-01-02T03:04:05.000000Z',
      durationMs: 50,
      spanId: '2'.repeat(16),
      parentSpanId: '1'.repeat(16),
    });
    expect(summariseNode(entry.children[0]!)).toMatchObject({
      durationMs: 40,
      tokens: { calls: 1, inputTokens: 7, outputTokens: 2, unavailable: 0 },
    });
  });

  it('says nothing that nobody has said', async () => {
    const run = new TestRun('agent');
    const [node] = await rootsOf(run.seal('note'));
    expect(summariseNode(node!)).toEqual({
      producer: 'agent',
      runId: run.runId,
      events: ['note'],
      startedAt: '2026-01-02T03:04:05.000000Z',
    });
  });

  it('is not harmed by spans that are nested without end, or by a step that is no text', async () => {
    const run = new TestRun('agent');
    const id = (n: number) => n.toString(16).padStart(16, '0');
    const events = Array.from({ length: 20_000 }, (_, n) =>
      run.seal('tool_exec', { ...execution, span_id: id(n + 1), ...(n > 0 && { parent_span_id: id(n) }) }),
    );
    const [node] = await rootsOf(...events, run.seal('odd', { step_id: {} as string, duration_ms: 'x' as never }));
    expect(summariseNode(node!)).toMatchObject({ events: ['odd', 'tool_exec'] });
    expect(summariseNode(node!)).not.toHaveProperty('stepId');
  });
});
