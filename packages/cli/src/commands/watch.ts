import { readAudit } from '@spanledger/jetstream';
import { parseEvent } from '@spanledger/protocol';
import type { LedgerRecord } from '@spanledger/protocol';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { CommandContext } from '../run/context.ts';
import { EXIT } from '../run/exit-code.ts';
import { withConnection } from '../source/connection-options.ts';
import type { ConnectionFlags } from '../source/connection-options.ts';
import { withLink } from '../source/link.ts';
import type { Link } from '../source/link.ts';
import { sinceOption, toSelection, withSelection } from '../source/selection.ts';
import type { SelectionFlags } from '../source/selection.ts';
import { streamInfo } from '../source/stream-info.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { visible } from '../terminal/visible.ts';
import { eventName, measures, stepOf, timeOf } from './event-text.ts';

interface WatchFlags extends ConnectionFlags, SelectionFlags {
  readonly event?: readonly string[];
  readonly json?: boolean;
}

const PRODUCER_WIDTH = 24;
const EVENT_WIDTH = 24;

export function addWatch(program: Command, context: CommandContext, end: (exitCode: number) => void): void {
  const command = program
    .command('watch')
    .summary('events as they are stored, until Ctrl-C')
    .description('Prints events as they are stored, over restarts of the server, until Ctrl-C.')
    .addOption(new Option('--event <names...>', 'only events of these names'))
    .addOption(sinceOption())
    .option('--json', 'print NDJSON: one object for each event');
  withConnection(withSelection(command)).action(async (flags: WatchFlags) => {
    const { terminal, signal } = context;
    const onChange = (state: 'lost' | 'back'): void =>
      terminal.note(state === 'lost' ? 'connection lost: waiting for the server' : 'connected again');
    await withLink(flags, { signal, onChange }, (link) => watch(terminal, link, flags));
    end(EXIT.clean);
  });
}

async function watch(terminal: Terminal, link: Link, flags: WatchFlags): Promise<void> {
  const selection = toSelection(flags);
  const { state } = await streamInfo(link);
  // By number and not by time: the server's clock is not ours.
  const start = flags.since === undefined ? { fromSeq: state.last_seq + 1 } : {};
  const { connection, stream, signal } = link;
  terminal.note('watching: Ctrl-C ends it');
  for await (const record of readAudit(connection, { ...selection, ...start, stream, signal, live: true })) {
    await print(terminal, record, flags);
  }
}

async function print(terminal: Terminal, record: LedgerRecord, { event: names, json }: WatchFlags): Promise<void> {
  const { bytes, streamSeq, subject, storedAtMs } = record;
  const event = parseEvent(bytes);
  if (names !== undefined && (event === undefined || !names.includes(event.event))) return;
  if (json) {
    const storedAt = storedAtMs === undefined ? undefined : new Date(storedAtMs).toISOString();
    // `null`, so that it is there: this record is no event.
    return terminal.json({ streamSeq, storedAt, subject, event: event ?? null }, 0);
  }
  const { colors } = terminal;
  if (event === undefined)
    return terminal.line(colors.red(`not an event  ${visible(subject)}  stream seq ${streamSeq}`));
  const producer = visible(event.producer, PRODUCER_WIDTH).padEnd(PRODUCER_WIDTH);
  const padding = ' '.repeat(Math.max(0, EVENT_WIDTH - event.event.length));
  const parts = [
    colors.dim(timeOf(event)),
    colors.bold(producer),
    eventName(event, colors) + padding,
    stepOf(event),
    measures(event),
    colors.dim(`${visible(event.workflow_execution_id ?? '-', 64)}  ${visible(event.run_id, 64)}:${event.seq}`),
  ];
  return terminal.line(parts.filter((part) => part !== '').join('  '));
}
