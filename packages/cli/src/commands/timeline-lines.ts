import type { RunSummary, TimelineEntry, TimelineNode } from '@spanledger/ledger';
import type { Colors } from '../terminal/terminal.ts';
import { visible } from '../terminal/visible.ts';
import { eventName, measures, stepOf, supersededText, timeOf } from './event-text.ts';

/** Levels that are indented; what is deeper is drawn at the last one. A hostile chain of spans may be as deep as it is long. */
const INDENTED_MAX = 24;

type Item = { readonly node: TimelineNode } | { readonly entry: TimelineEntry };

interface Place {
  readonly item: Item;
  readonly prefix: string;
  readonly level: number;
  readonly isLast: boolean;
}

/** A timeline as a tree, line by line. Without recursion: its depth is in the hands of whoever wrote the events. */
export function* timelineLines(
  roots: readonly TimelineNode[],
  runs: ReadonlyMap<string, RunSummary>,
  colors: Colors,
): Generator<string, void, void> {
  const places: Place[] = roots.map((node) => ({ item: { node }, prefix: '', level: 0, isLast: true })).reverse();
  for (let place = places.pop(); place !== undefined; place = places.pop()) {
    const { item, prefix, level, isLast } = place;
    const branch = level === 0 ? '' : isLast ? '└─ ' : '├─ ';
    yield colors.dim(prefix + branch) + textOf(item, runs, colors);
    const below = itemsBelow(item);
    const deeper = level === 0 || level > INDENTED_MAX ? prefix : `${prefix}${isLast ? '   ' : '│  '}`;
    for (let i = below.length - 1; i >= 0; i -= 1) {
      places.push({ item: below[i]!, prefix: deeper, level: level + 1, isLast: i === below.length - 1 });
    }
  }
}

/** A span is drawn as its first event; what else it has is below. */
function itemsBelow(item: Item): Item[] {
  if ('entry' in item) return [];
  const { kind, entries, children } = item.node;
  const own = kind === 'span' ? entries.slice(1) : entries;
  const items: Item[] = [...own.map((entry) => ({ entry })), ...children.map((node) => ({ node }))];
  return items.sort((a, b) => compare(orderOf(a), orderOf(b)));
}

function textOf(item: Item, runs: ReadonlyMap<string, RunSummary>, colors: Colors): string {
  if ('entry' in item) return entryText(item.entry, colors);
  const { kind, entries, producer, runId } = item.node;
  const [first] = entries;
  if (kind === 'span') return first === undefined ? colors.dim('(a span without an event)') : entryText(first, colors);
  return `${colors.bold(visible(producer))}  ${colors.dim(visible(runId))}  ${stateText(runs.get(runId), colors)}`;
}

function stateText(run: RunSummary | undefined, { green, yellow }: Colors): string {
  if (run === undefined) return yellow('unknown');
  const state = run.state === 'ended' ? green(run.state) : yellow(visible(run.state));
  const more = [run.superseded ? 'superseded' : '', run.lateEvents > 0 ? `${run.lateEvents} late` : ''];
  return [state, ...more.filter((one) => one !== '').map(yellow)].join(', ');
}

function entryText({ event, eventId, superseded }: TimelineEntry, colors: Colors): string {
  const seq = eventId.slice(eventId.lastIndexOf(':'));
  const parts = [timeOf(event), eventName(event, colors), stepOf(event), measures(event), colors.dim(visible(seq))];
  const text = parts.filter((part) => part !== '').join('  ');
  return superseded ? supersededText(text, colors) : text;
}

/** The time of the first event in it, as text; whatever has none comes last. */
function orderOf(item: Item): string {
  if ('entry' in item) return item.entry.event.ts;
  const [first] = item.node.entries;
  return first?.event.ts ?? item.node.children[0]?.entries[0]?.event.ts ?? '~';
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
