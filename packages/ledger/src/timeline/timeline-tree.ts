import { CallerIndex } from './caller-index.ts';
import type { GrowingNode, TimelineEntry, TimelineNode } from './timeline-node.ts';

/**
 * - A span hangs under its parent span, if that one is audited; else under its run.
 * - A run hangs under the audited span of another run that one of its spans names as its parent; else under the step, or
 *   the run, of the caller that its events name (`CallerIndex`); else nowhere: it is a root.
 *
 * What events claim may be wrong or hostile; a claim that would close a circle is passed over.
 *
 * @param entries in display order, which becomes the order of siblings.
 */
export function buildTree(entries: readonly TimelineEntry[]): TimelineNode[] {
  const tree = new Tree();
  for (const entry of entries) tree.add(entry);
  return tree.grow();
}

class Tree {
  readonly #runs = new Map<string, GrowingNode>();
  readonly #spans = new Map<string, GrowingNode>();
  /** Runs and spans in the order of their first entry: the order of siblings. */
  readonly #nodes: GrowingNode[] = [];
  readonly #parents = new Map<GrowingNode, GrowingNode>();
  /** From each node that hangs somewhere to one further up: not always its parent, so that a root is soon found. */
  readonly #shortcuts = new Map<GrowingNode, GrowingNode>();
  readonly #callers = new CallerIndex();

  add(entry: TimelineEntry): void {
    const { event } = entry;
    const run = this.#runNode(event.run_id, event.producer);
    const node = event.span_id === undefined ? run : this.#spanNode(event.trace_id, event.span_id, run);
    node.entries.push(entry);
    this.#callers.add(event, node, run);
  }

  grow(): TimelineNode[] {
    // Each run is a whole tree before runs are hung into each other: a refused claim then leaves nothing hanging in the air.
    for (const span of this.#spans.values()) this.#hangSpan(span);
    for (const span of this.#spans.values()) this.#hangRunByEntry(span);
    for (const run of this.#runs.values()) this.#hangRunByCaller(run);
    for (const node of this.#nodes) this.#parents.get(node)?.children.push(node);
    return [...this.#runs.values()].filter((run) => !this.#parents.has(run));
  }

  #runNode(runId: string, producer: string): GrowingNode {
    const known = this.#runs.get(runId);
    if (known !== undefined) return known;
    const node: GrowingNode = { kind: 'run', runId, producer, entries: [], children: [] };
    this.#runs.set(runId, node);
    this.#nodes.push(node);
    return node;
  }

  #spanNode(traceId: string | undefined, spanId: string, { runId, producer }: GrowingNode): GrowingNode {
    const key = spanKey(traceId, spanId);
    const known = this.#spans.get(key);
    if (known !== undefined) return known;
    const node: GrowingNode = { kind: 'span', runId, producer, spanId, entries: [], children: [] };
    this.#spans.set(key, node);
    this.#nodes.push(node);
    return node;
  }

  #hangSpan(span: GrowingNode): void {
    const parent = this.#parentSpan(span);
    if (parent?.runId === span.runId) this.#hang(span, parent);
    this.#hang(span, this.#runNode(span.runId, span.producer));
  }

  /** A span whose parent is in another run is the entry span of its own. */
  #hangRunByEntry(span: GrowingNode): void {
    const parent = this.#parentSpan(span);
    if (parent === undefined || parent.runId === span.runId) return;
    this.#hang(this.#runNode(span.runId, span.producer), parent);
  }

  #hangRunByCaller(run: GrowingNode): void {
    const caller = this.#callers.callerOf(run.runId);
    if (caller !== undefined) this.#hang(run, caller);
  }

  #parentSpan(span: GrowingNode): GrowingNode | undefined {
    const event = span.entries.find((entry) => entry.event.parent_span_id !== undefined)?.event;
    return event && this.#spans.get(spanKey(event.trace_id, event.parent_span_id));
  }

  /** Does nothing if the node has a parent, or if the parent is the node or below it. */
  #hang(node: GrowingNode, parent: GrowingNode): void {
    if (this.#parents.has(node)) return;
    // It hangs nowhere, so what is below it is what has it for a root.
    if (this.#rootOf(parent) === node) return;
    this.#parents.set(node, parent);
    this.#shortcuts.set(node, parent);
  }

  /** Every way up is shortened as it is gone: 20,000 spans inside each other would take seconds otherwise. */
  #rootOf(node: GrowingNode): GrowingNode {
    let root = node;
    for (let up = this.#shortcuts.get(root); up !== undefined; up = this.#shortcuts.get(root)) root = up;
    for (let at = node; at !== root;) {
      const up = this.#shortcuts.get(at) as GrowingNode;
      this.#shortcuts.set(at, root);
      at = up;
    }
    return root;
  }
}

function spanKey(traceId: string | undefined, spanId: string | undefined): string {
  return `${traceId}:${spanId}`;
}
