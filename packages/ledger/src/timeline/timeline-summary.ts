import type { AuditEvent } from '@spanledger/protocol';
import { TokenTally, isModelCall } from '../rollup/rollup-tokens.ts';
import type { TokenTotals } from '../rollup/rollup-report.ts';
import type { TimelineEntry, TimelineNode } from './timeline-node.ts';

/** What one node of a timeline comes down to. Whatever its events do not say is absent. */
export interface TimelineSummary {
  readonly producer: string;
  readonly runId: string;
  /** Of the first event that is in a step. */
  readonly stepId?: string;
  readonly attempt?: number;
  /** The names of its events, in order, each once. */
  readonly events: readonly string[];
  /** Of the first event, RFC 3339. */
  readonly startedAt?: string;
  /** As the last of its events that has one measured it, in milliseconds. */
  readonly durationMs?: number;
  /** Of its model calls, if there are any. */
  readonly tokens?: TokenTotals;
  readonly spanId?: string;
  readonly parentSpanId?: string;
}

/**
 * Summarises a node, when it is shown: nodes themselves hold nothing but their events.
 *
 * A span is what its own events say. A run is all of its spans together, without the runs that hang below it; its duration is
 * that of its first span with one.
 */
export function summariseNode(node: TimelineNode): TimelineSummary {
  const spans = node.kind === 'run' ? spansOf(node) : [node];
  const events = spans.flatMap(({ entries }) => entries.map(({ event }) => event));
  const first = events.find((event) => typeof event.step_id === 'string');
  const startedAt = earliest(events);
  const durationMs = firstDefined(spans, ({ entries }) => durationOf(entries));
  const tokens = tokensOf(events);
  const parentSpanId = node.kind === 'span' ? firstDefined(events, (event) => event.parent_span_id) : undefined;
  return {
    producer: node.producer,
    runId: node.runId,
    ...(first?.step_id !== undefined && { stepId: first.step_id }),
    ...(typeof first?.attempt_epoch === 'number' && { attempt: first.attempt_epoch }),
    events: [...new Set(events.map(({ event }) => event))],
    ...(startedAt !== undefined && { startedAt }),
    ...(durationMs !== undefined && { durationMs }),
    ...(tokens !== undefined && { tokens }),
    ...(node.spanId !== undefined && { spanId: node.spanId }),
    ...(parentSpanId !== undefined && { parentSpanId }),
  };
}

/** A run and its spans, from the top down. Without recursion: how deep they are nested is up to the events. */
function spansOf(run: TimelineNode): TimelineNode[] {
  const found: TimelineNode[] = [];
  const waiting: TimelineNode[] = [run];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    found.push(node);
    waiting.push(...node.children.filter(({ runId }) => runId === run.runId).reverse());
  }
  return found;
}

function durationOf(entries: readonly TimelineEntry[]): number | undefined {
  return entries.findLast(({ event }) => typeof event.duration_ms === 'number')?.event.duration_ms;
}

function tokensOf(events: readonly AuditEvent[]): TokenTotals | undefined {
  const calls = events.filter(isModelCall);
  if (calls.length === 0) return undefined;
  const tally = new TokenTally();
  for (const call of calls) tally.count(call);
  return tally.total();
}

function earliest(events: readonly AuditEvent[]): string | undefined {
  return events.reduce<string | undefined>(
    (ts, event) => (ts !== undefined && ts <= event.ts ? ts : event.ts),
    undefined,
  );
}

function firstDefined<Item, Value>(items: readonly Item[], read: (item: Item) => Value | undefined): Value | undefined {
  for (const item of items) {
    const value = read(item);
    if (value !== undefined) return value;
  }
  return undefined;
}
