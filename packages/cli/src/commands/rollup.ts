import { rollup } from '@spanledger/ledger';
import type {
  CollapseMode,
  LatencySummary,
  Outcome,
  Rollup,
  StepRollup,
  TokenTotals,
  WorkflowRollup,
} from '@spanledger/ledger';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { CommandContext } from '../run/context.ts';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import { collapseOption } from '../source/collapse-option.ts';
import type { CollapseFlags } from '../source/collapse-option.ts';
import { withConnection } from '../source/connection-options.ts';
import type { ConnectionFlags } from '../source/connection-options.ts';
import { withLink } from '../source/link.ts';
import { readStream } from '../source/read-stream.ts';
import { parseSince } from '../source/selection.ts';
import { table } from '../terminal/table.ts';
import type { Column } from '../terminal/table.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { visible } from '../terminal/visible.ts';
import { durationText } from './event-text.ts';

interface RollupFlags extends ConnectionFlags, CollapseFlags {
  readonly from?: Date;
  readonly to?: Date;
  readonly json?: boolean;
}

/** Read before `--from`: an execution that began before it and is silent for longer than this looks as if it began later. */
const LOOK_BACK_MS = 24 * 3_600_000;
const NUMBERS = 'right' as const;

export function addRollup(program: Command, context: CommandContext, end: (exitCode: number) => void): void {
  const command = program
    .command('rollup')
    .summary('figures of a workflow over its executions')
    .description('Sums executions up: how they ended, how long they took, what they spent, where they fail.')
    .argument('[workflow]', 'its id (default: every workflow)')
    .addOption(new Option('--from <time>', 'executions that began since: 7d, or 2026-01-31').argParser(parseSince))
    .addOption(new Option('--to <time>', 'executions that began before').argParser(parseSince))
    .addOption(
      collapseOption(
        'count a step once, by its last (default), say how the others ended beside it, or count each as one of its own',
      ).default('superseded'),
    )
    .option('--json', 'print one JSON document');
  withConnection(command).action(async (workflow: string | undefined, flags: RollupFlags) => {
    const result = await read(workflow, flags, context);
    if (context.interrupted.aborted) throw new Failure(EXIT.interrupted, 'interrupted');
    const isEmpty = result.workflows.length === 0;
    if (isEmpty && workflow !== undefined) {
      throw new Failure(EXIT.findings, `there is no execution of workflow ${workflow} in that time`);
    }
    if (flags.json) await context.terminal.json(result);
    else await printAll(context.terminal, result.workflows, flags.collapse);
    if (!flags.json && result.evicted > 0) {
      context.terminal.warn(`${result.evicted} executions were too many to hold to their end, and are counted as open`);
    }
    end(EXIT.clean);
  });
}

function read(
  workflow: string | undefined,
  { from, to, collapse, ...flags }: RollupFlags,
  context: CommandContext,
): Promise<Rollup> {
  return withLink(flags, context, (link) => {
    const selection = {
      ...(workflow !== undefined && { workflow }),
      ...(from && { since: new Date(from.getTime() - LOOK_BACK_MS) }),
    };
    return rollup(readStream(context.terminal, link, selection), {
      ...(workflow !== undefined && { workflowId: workflow }),
      ...(from && { from }),
      ...(to && { to }),
      ...(collapse && { collapse }),
    });
  });
}

async function printAll(
  terminal: Terminal,
  workflows: readonly WorkflowRollup[],
  collapse: CollapseMode | undefined,
): Promise<void> {
  for (const [index, one] of workflows.entries()) {
    if (index > 0) await terminal.line('\n');
    await print(terminal, one, collapse);
  }
}

async function print(terminal: Terminal, one: WorkflowRollup, collapse: CollapseMode | undefined): Promise<void> {
  const { colors } = terminal;
  const facts = [
    ['executions', String(one.executions)],
    ['completed', String(one.completed)],
    ['failed', String(one.failed)],
    ['cancelled', String(one.cancelled)],
    ['open', String(one.open)],
    ['retries', String(one.retries)],
    ['latency', latencyText(one.latency)],
    ['tokens', tokensText(one.tokens)],
    ['superseded', tokensText(one.supersededTokens)],
  ].filter(([name]) => collapse !== 'none' || (name !== 'retries' && name !== 'superseded'));
  await terminal.line(`${colors.bold(visible(one.workflowId ?? '(no workflow)'))}\n`);
  await terminal.line(table([{ title: '' }, { title: '', align: NUMBERS }], facts, colors));
  if (one.models.length > 0) await terminal.line(`\n${modelTable(one, terminal)}`);
  if (one.steps.length > 0) await terminal.line(`\n${stepTable('step', one.steps, terminal, collapse)}`);
  if (one.topFailingSteps.length > 0)
    await terminal.line(`\n${stepTable('failing most', one.topFailingSteps, terminal, collapse)}`);
}

function modelTable({ models }: WorkflowRollup, { colors }: Terminal): string {
  const columns = [{ title: 'model' }, ...numbers('calls', 'input', 'output')];
  const rows = models.map(({ model, calls, inputTokens, outputTokens }) => [
    visible(model ?? '(others)'),
    ...[calls, inputTokens, outputTokens].map(String),
  ]);
  return table(columns, rows, colors);
}

function stepTable(
  title: string,
  steps: readonly StepRollup[],
  { colors }: Terminal,
  collapse: CollapseMode | undefined,
): string {
  const counted = collapse === 'none' ? 'attempts' : 'executions';
  const columns = [
    { title },
    ...numbers(counted, 'failed', 'retries', 'p50', 'p99'),
    { title: 'last error' },
    ...(collapse === 'mark' ? [{ title: 'superseded' }] : []),
  ];
  const rows = steps.map(({ stepId, executions, failed, retries, latency, lastErrorType, superseded }) => [
    visible(stepId ?? '(others)'),
    String(executions),
    failed > 0 ? colors.red(String(failed)) : '0',
    String(retries),
    latency ? durationText(latency.p50Ms) : '-',
    latency ? durationText(latency.p99Ms) : '-',
    visible(lastErrorType ?? ''),
    ...(superseded ? [outcomesText(superseded)] : []),
  ]);
  return table(columns, rows, colors);
}

function outcomesText(outcomes: Readonly<Record<Outcome, number>>): string {
  const found = Object.entries(outcomes).filter(([, count]) => count > 0);
  return found.length === 0 ? '-' : found.map(([outcome, count]) => `${count} ${outcome}`).join(', ');
}

function numbers(...titles: string[]): Column[] {
  return titles.map((title) => ({ title, align: NUMBERS }));
}

function latencyText(latency: LatencySummary | undefined): string {
  if (latency === undefined) return '-';
  const { p50Ms, p90Ms, p99Ms, maxMs } = latency;
  return `p50 ${durationText(p50Ms)}, p90 ${durationText(p90Ms)}, p99 ${durationText(p99Ms)}, max ${durationText(maxMs)}`;
}

function tokensText({ calls, inputTokens, outputTokens, unavailable }: TokenTotals): string {
  if (calls === 0) return '-';
  const unknown = unavailable === 0 ? '' : `, ${unavailable} calls did not say`;
  return `${inputTokens} in, ${outputTokens} out, in ${calls} calls${unknown}`;
}
