import { timeline } from '@spanledger/ledger';
import type { Timeline, TimelineNode } from '@spanledger/ledger';
import type { LedgerRecord } from '@spanledger/protocol';
import type { Command } from 'commander';
import type { CommandContext } from '../run/context.ts';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import { collapseOption } from '../source/collapse-option.ts';
import type { CollapseFlags } from '../source/collapse-option.ts';
import { withConnection } from '../source/connection-options.ts';
import type { ConnectionFlags } from '../source/connection-options.ts';
import { ExecutionRecords, nothingOf } from '../source/execution-records.ts';
import { withLink } from '../source/link.ts';
import { streamInfo } from '../source/stream-info.ts';
import { visible } from '../terminal/visible.ts';
import { durationText } from './event-text.ts';
import { Judge } from './judge.ts';
import type { Report } from './judge.ts';
import { timelineLines } from './timeline-lines.ts';

interface StatusFlags extends ConnectionFlags, CollapseFlags {
  readonly json?: boolean;
}

interface Status {
  readonly shown: Timeline;
  readonly report: Report;
}

export function addStatus(program: Command, context: CommandContext, end: (exitCode: number) => void): void {
  const command = program
    .command('status')
    .summary('what happened in one execution')
    .description(
      'Shows one execution as a tree: who called whom, steps and attempts, durations, tokens, states of runs.',
    )
    .argument('<execution>', 'its id')
    .addOption(collapseOption('leave them out, mark them, or show them like all others').default('mark'))
    .option('--json', 'print one JSON document');
  withConnection(command).action(async (execution: string, flags: StatusFlags) => {
    const status = await readStatus(execution, flags, context);
    if (context.interrupted.aborted) throw new Failure(EXIT.interrupted, 'interrupted');
    if (flags.json) await context.terminal.json(toDocument(execution, status));
    else await print(execution, status, flags, context);
    end(status.report.verified ? EXIT.clean : EXIT.findings);
  });
}

function readStatus(execution: string, flags: StatusFlags, context: CommandContext): Promise<Status> {
  return withLink(flags, context, async (link) => {
    const records = new ExecutionRecords(context.terminal, link, execution);
    const { state } = await streamInfo(link);
    const verdict = new Judge({ execution, roster: true, fromStart: state.first_seq <= 1 });
    const shown = await timeline(passing(records.readOwn(), verdict), flags);
    if (records.count === 0 && !context.signal.aborted) throw nothingOf(`execution ${execution}`, flags.stream);
    for await (const record of records.readReports()) verdict.add(record);
    return { shown, report: verdict.report() };
  });
}

async function* passing(
  records: AsyncIterable<LedgerRecord>,
  verdict: Judge,
): AsyncGenerator<LedgerRecord, void, void> {
  for await (const record of records) {
    verdict.add(record);
    yield record;
  }
}

async function print(
  execution: string,
  { shown, report }: Status,
  { collapse }: StatusFlags,
  { terminal }: CommandContext,
): Promise<void> {
  const { colors } = terminal;
  const { entries, roots } = shown;
  const [first, last] = [entries[0]?.event, entries.at(-1)?.event];
  const took = first && last ? Date.parse(last.ts) - Date.parse(first.ts) : Number.NaN;
  const facts = [
    `execution ${colors.bold(visible(execution))}`,
    first?.workflow_id === undefined ? '' : `workflow ${visible(first.workflow_id)}`,
    first === undefined ? '' : `${visible(first.ts, 32)}${Number.isNaN(took) ? '' : `, ${durationText(took)}`}`,
    `${counted(entries.length, 'event')} in ${counted(new Set(entries.map(({ event }) => event.run_id)).size, 'run')}`,
    tokensOf(shown),
    collapse === 'superseded' ? colors.dim('without superseded attempts') : '',
  ];
  await terminal.line(facts.filter((fact) => fact !== '').join('  '));
  await terminal.line();
  const runs = new Map(report.runs.map((run) => [run.runId, run]));
  for (const line of timelineLines(roots, runs, colors)) await terminal.line(line);
  if (report.findings.length === 0) return;
  const color = report.verified ? colors.yellow : colors.red;
  await terminal.line(
    `\n${color(counted(report.findings.length, 'finding'))}: spanledger verify --execution ${visible(execution)}`,
  );
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function tokensOf({ entries }: Timeline): string {
  const sum = (key: 'input_tokens' | 'output_tokens'): number =>
    entries.reduce((before, { event }) => before + (typeof event[key] === 'number' ? event[key] : 0), 0);
  const [input, output] = [sum('input_tokens'), sum('output_tokens')];
  return input + output === 0 ? '' : `${input}→${output} tokens`;
}

/** The tree as a list, in which each node names its parent's index: a hostile one may be too deep for nested JSON. */
function toDocument(execution: string, { shown, report }: Status): object {
  const nodes: object[] = [];
  const open: { node: TimelineNode; parent: number | undefined }[] = shown.roots
    .map((node) => ({ node, parent: undefined }))
    .reverse();
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { node, parent } = next;
    const index = nodes.length;
    const { kind, runId, producer, spanId, entries } = node;
    nodes.push({ kind, runId, producer, spanId, parent, events: entries.map(({ eventId }) => eventId) });
    for (const child of node.children.toReversed()) open.push({ node: child, parent: index });
  }
  const { verified, runs, findings } = report;
  return { execution, verified, runs, findings, nodes, events: shown.entries };
}
