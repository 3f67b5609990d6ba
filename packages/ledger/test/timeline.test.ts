import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { timeline } from '../src/index.ts';
import type { TimelineNode } from '../src/index.ts';
import { TestRun, edited, stored } from './history.ts';

const traceId = 'a'.repeat(32);
const execution = { workflow_execution_id: 'exec-1', trace_id: traceId };

function span(number: number, parent?: number) {
  const id = (value: number): string => value.toString(16).padStart(16, '0');
  return { ...execution, span_id: id(number), ...(parent !== undefined && { parent_span_id: id(parent) }) };
}

/** The tree as text: one line for each node, indented, with the names of its events. */
function draw(nodes: readonly TimelineNode[], depth = 0): string[] {
  return nodes.flatMap((node) => {
    const names = node.entries.map(({ event }) => event.event).join(' ');
    return [
      `${'  '.repeat(depth)}${node.kind} ${node.producer}: ${names}`.trimEnd(),
      ...draw(node.children, depth + 1),
    ];
  });
}

describe('the flat list', () => {
  it('is by time, then by place in the stream; a second delivery shows once, a conflict twice', async () => {
    const run = new TestRun();
    const first = run.seal('first', { ts: '2026-01-02T03:04:05.000001Z' });
    const same = run.seal('same_time', { ts: '2026-01-02T03:04:05.000001Z' });
    const earlier = run.seal('earlier', { ts: '2026-01-02T03:04:05.000000Z' });
    const rival = edited(same, { event: 'rival' });

    const { entries } = await timeline(stored([first, same, earlier, rival, first]));

    expect(entries.map(({ event }) => event.event)).toEqual(['earlier', 'first', 'same_time', 'rival']);
    expect(entries.map(({ streamSeq }) => streamSeq)).toEqual([3, 1, 2, 4]);
    expect(entries[0]?.eventId).toBe(`${run.runId}:3`);
  });

  it('passes over what cannot be read', async () => {
    const record = { bytes: new TextEncoder().encode('{'), streamSeq: 1 };
    expect(await timeline([record])).toEqual({ entries: [], roots: [] });
  });
});

describe('a step that was tried again', () => {
  const step = { ...execution, step_id: 'write', attempt_epoch: 1 };
  const [orchestrator, first, second] = [new TestRun('orchestrator'), new TestRun('writer'), new TestRun('writer')];
  const records = stored([
    orchestrator.seal('workflow_started', execution),
    first.seal('invocation_started', step),
    orchestrator.seal('stream_rewind', { ...execution, fields: { step: 'write', new_epoch: 2 } }),
    second.seal('invocation_started', { ...step, attempt_epoch: 2 }),
    first.seal('invocation_complete', step),
  ]);

  it('is shown as one story, marked, or as it is stored; cursors are the same', async () => {
    const plain = await timeline(records);
    expect(await timeline(records, { collapse: 'none' })).toEqual(plain);
    expect(plain.entries).toHaveLength(5);
    expect(Object.keys(plain.entries[1]!)).toEqual(['eventId', 'streamSeq', 'event']);

    const marked = await timeline(records, { collapse: 'mark' });
    expect(marked.entries.map((entry) => ({ ...entry, superseded: undefined }))).toEqual(
      plain.entries.map((entry) => ({ ...entry, superseded: undefined })),
    );
    const isMarked = ({ superseded }: { superseded?: true }): boolean => superseded === true;
    expect(marked.entries.filter(isMarked).map(({ streamSeq }) => streamSeq)).toEqual([2, 5]);
    expect(marked.roots.flatMap(({ entries }) => entries.filter(isMarked))).toHaveLength(2);

    const left = await timeline(records, { collapse: 'superseded' });
    expect(left.entries).toEqual(plain.entries.filter(({ streamSeq }) => streamSeq !== 2 && streamSeq !== 5));
    expect(left.roots.map(({ runId }) => runId)).toEqual([orchestrator.runId, second.runId]);
  });
});

describe('the tree', () => {
  it('hangs spans under spans, and a run under the span that called it', async () => {
    const orchestrator = new TestRun('orchestrator');
    const agent = new TestRun('agent');
    const events = [
      orchestrator.seal('workflow_started', span(1)),
      orchestrator.seal('workflow_step_started', span(2, 1)),
      agent.seal('invocation_started', span(3, 2)),
      agent.seal('llm_call', span(4, 3)),
      agent.seal('note', execution),
      agent.seal('invocation_complete', span(3, 2)),
      orchestrator.seal('workflow_step_completed', span(2, 1)),
      orchestrator.seal('workflow_complete', span(1)),
    ];

    const { roots } = await timeline(stored(events));

    expect(draw(roots)).toEqual([
      'run orchestrator:',
      '  span orchestrator: workflow_started workflow_complete',
      '    span orchestrator: workflow_step_started workflow_step_completed',
      '      run agent: note',
      '        span agent: invocation_started invocation_complete',
      '          span agent: llm_call',
    ]);
  });

  it('hangs a span whose parent is not audited under its run', async () => {
    const run = new TestRun('agent');
    const { roots } = await timeline(
      stored([run.seal('invocation_started', span(1)), run.seal('tool_exec', span(3, 2))]),
    );
    expect(draw(roots)).toEqual(['run agent:', '  span agent: invocation_started', '  span agent: tool_exec']);
  });

  it('finds the caller by step and attempt where the client span is not audited', async () => {
    const [orchestrator, writer, editor] = ['orchestrator', 'writer', 'editor'].map((name) => new TestRun(name));
    const step = { step_id: 'write', attempt_epoch: 2 };
    const events = [
      orchestrator!.seal('workflow_started', span(1)),
      orchestrator!.seal('workflow_step_started', { ...span(2, 1), ...step, attempt_epoch: 1 }),
      orchestrator!.seal('workflow_step_started', { ...span(3, 1), ...step }),
      writer!.seal('invocation_started', { ...span(5, 4), ...step, invocation_caller: 'orchestrator' }),
      editor!.seal('invocation_started', { ...span(7, 6), ...step, invocation_caller: 'writer' }),
    ];

    const { roots } = await timeline(stored(events));

    expect(draw(roots)).toEqual([
      'run orchestrator:',
      '  span orchestrator: workflow_started',
      '    span orchestrator: workflow_step_started',
      '    span orchestrator: workflow_step_started',
      '      run writer:',
      '        span writer: invocation_started',
      '        run editor:',
      '          span editor: invocation_started',
    ]);
  });

  it('does not guess between two runs that might have called', async () => {
    const called = new TestRun('editor').seal('invocation_started', { ...span(7, 6), invocation_caller: 'writer' });
    const writers = [1, 2].map((number) => new TestRun('writer').seal('invocation_started', span(number)));
    const { roots } = await timeline(stored([...writers, called]));
    expect(roots.map(({ producer }) => producer)).toEqual(['writer', 'writer', 'editor']);
  });

  it('survives spans that claim to be their own ancestors', async () => {
    const [a, b] = [new TestRun('a'), new TestRun('b')];
    const events = [a.seal('x', span(1, 2)), b.seal('y', span(2, 1)), a.seal('z', span(3, 3))];
    const { entries, roots } = await timeline(stored(events));
    expect(countEntries(roots)).toBe(entries.length);
  });

  it('holds every event exactly once, whatever they claim', async () => {
    const small = fc.integer({ min: 0, max: 4 });
    const claim = fc.record({
      run: fc.integer({ min: 0, max: 3 }),
      id: small,
      parent: small,
      caller: fc.constantFrom(undefined, 'p0', 'p1', 'p2'),
      step: fc.constantFrom(undefined, 's'),
      event: fc.constantFrom('workflow_step_started', 'tool_exec'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(claim, { maxLength: 30 }), async (claims) => {
        const runs = [0, 1, 2, 3].map((number) => new TestRun(`p${number}`));
        const events = claims.map(({ run, id, parent, caller, step, event }) =>
          runs[run]!.seal(event, { ...(id > 0 && span(id, parent)), invocation_caller: caller, step_id: step }),
        );
        const { entries, roots } = await timeline(stored(events));
        expect(entries).toHaveLength(events.length);
        expect(countEntries(roots)).toBe(events.length);
        expect(() => JSON.stringify(roots)).not.toThrow();
      }),
      { numRuns: 500 },
    );
  });
});

function countEntries(nodes: readonly TimelineNode[]): number {
  return nodes.reduce((sum, node) => sum + node.entries.length + countEntries(node.children), 0);
}
