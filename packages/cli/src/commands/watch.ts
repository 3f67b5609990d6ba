import { readAudit } from '@spanledger/jetstream';
import { LiveCollapse } from '@spanledger/ledger';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { CommandContext } from '../run/context.ts';
import { EXIT } from '../run/exit-code.ts';
import { collapseOption } from '../source/collapse-option.ts';
import type { CollapseFlags } from '../source/collapse-option.ts';
import { withConnection } from '../source/connection-options.ts';
import type { ConnectionFlags } from '../source/connection-options.ts';
import { withLink } from '../source/link.ts';
import type { Link } from '../source/link.ts';
import { sinceOption, toSelection, withSelection } from '../source/selection.ts';
import type { SelectionFlags } from '../source/selection.ts';
import { streamInfo } from '../source/stream-info.ts';
import { JsonPrinter, TextPrinter } from './watch-printer.ts';
import type { WatchPrinter } from './watch-printer.ts';

interface WatchFlags extends ConnectionFlags, SelectionFlags, CollapseFlags {
  readonly event?: readonly string[];
  readonly json?: boolean;
}

const COLLAPSE =
  'take their lines away again, mark them (default), or leave all as it comes (default with --json); what is out of sight, ' +
  'in a pipe and with --json, is corrected in one more line';

export function addWatch(program: Command, context: CommandContext, end: (exitCode: number) => void): void {
  const command = program
    .command('watch')
    .summary('events as they are stored, until Ctrl-C')
    .description('Prints events as they are stored, over restarts of the server, until Ctrl-C.')
    .addOption(new Option('--event <names...>', 'only events of these names'))
    .addOption(sinceOption())
    .addOption(collapseOption(COLLAPSE))
    .option('--json', 'print NDJSON: one object for each event');
  withConnection(withSelection(command)).action(async (given: WatchFlags) => {
    const { terminal, signal } = context;
    const flags = { ...given, collapse: given.collapse ?? (given.json ? 'none' : 'mark') };
    const printer = flags.json ? new JsonPrinter(terminal) : new TextPrinter(terminal, flags.collapse);
    const onChange = (state: 'lost' | 'back'): void =>
      printer.note(state === 'lost' ? 'connection lost: waiting for the server' : 'connected again');
    await withLink(flags, { signal, onChange }, (link) => watch(printer, link, flags));
    end(EXIT.clean);
  });
}

async function watch(
  printer: WatchPrinter,
  link: Link,
  flags: WatchFlags & Required<Pick<WatchFlags, 'collapse'>>,
): Promise<void> {
  const { event: names, since } = flags;
  const { state } = await streamInfo(link);
  // By number and not by time: the server's clock is not ours.
  const start = since === undefined ? { fromSeq: state.last_seq + 1 } : {};
  const { connection, stream, signal } = link;
  const live = new LiveCollapse({
    mode: flags.collapse,
    only: (event) => names === undefined || (event !== undefined && names.includes(event.event)),
  });
  let isWhole = true;
  printer.note('watching: Ctrl-C ends it');
  for await (const record of readAudit(connection, { ...toSelection(flags), ...start, stream, signal, live: true })) {
    for (const item of live.add(record)) await (item.kind === 'event' ? printer.event(item) : printer.rewind(item));
    if (isWhole && live.forgotten > 0) printer.note('too many events to remember: the oldest will not be corrected');
    isWhole = live.forgotten === 0;
  }
}
