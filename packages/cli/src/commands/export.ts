import { createWriteStream } from 'node:fs';
import type { WriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { once } from 'node:events';
import type { LedgerRecord } from '@spanledger/protocol';
import type { Command } from 'commander';
import type { CommandContext } from '../run/context.ts';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import { collapseOption } from '../source/collapse-option.ts';
import type { CollapseFlags } from '../source/collapse-option.ts';
import { withConnection } from '../source/connection-options.ts';
import type { ConnectionFlags } from '../source/connection-options.ts';
import { nothingOf } from '../source/execution-records.ts';
import { withLink } from '../source/link.ts';
import { namesOf, sinceOption, toSelection, withSelection } from '../source/selection.ts';
import type { SelectionFlags } from '../source/selection.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { visible } from '../terminal/visible.ts';
import { CollapsedExport } from './collapsed-export.ts';
import { oneRun } from './one-run.ts';

interface ExportFlags extends ConnectionFlags, SelectionFlags, CollapseFlags {
  readonly run?: string;
  readonly output?: string;
  readonly json?: boolean;
}

type Write = (line: Uint8Array) => Promise<void>;

const NEWLINE = 0x0a;
const LINE_BREAK = new Uint8Array([NEWLINE]);
const LINE_SHOWN_MAX = 1_000_000;

export function addExport(program: Command, context: CommandContext, end: (exitCode: number) => void): void {
  const command = program
    .command('export')
    .summary('events as NDJSON, exactly as they are stored')
    .description(
      'Writes stored events as NDJSON: their exact bytes, in the order of the stream, copies included.\n' +
        'With --run it is one run in the order of its numbers, each event once: what a verifier of chains wants.\n' +
        'On a terminal control characters are shown escaped; a pipe or a file gets the exact bytes.',
    )
    .option('--run <id>', 'only this run, by number, without copies')
    .option('-o, --output <file>', 'write to this file, which is there only when it is whole')
    .option('--json', 'with -o print one JSON document about it; events are JSON in any case')
    .addOption(sinceOption())
    .addOption(
      collapseOption(
        'leave their events out, or only say how many there are: lines are exact bytes, and cannot be marked',
      ).default('none'),
    );
  withConnection(withSelection(command)).action(async (flags: ExportFlags) => {
    const { terminal, interrupted } = context;
    const collapsed = new CollapsedExport(terminal, flags.collapse ?? 'none');
    const { written, leftOut } = await withLink(flags, context, (link) => {
      const records = collapsed.read(link, toSelection(flags));
      const chosen = flags.run === undefined ? records : oneRun(records, flags.run);
      const work = async (write: Write): Promise<Written> => {
        const result = await writeAll(collapsed.choose(chosen), write, terminal);
        const found = result.written + result.leftOut + collapsed.superseded;
        // Before a file takes the place of an older one.
        if (found === 0 && !context.signal.aborted) refuseNothing(flags);
        return result;
      };
      return flags.output === undefined ? work(terminalWriter(terminal)) : toFile(flags.output, context, work);
    });
    if (interrupted.aborted) throw new Failure(EXIT.interrupted, `interrupted after ${written} events`);
    if (flags.output !== undefined) await tell(terminal, flags, { written, leftOut }, collapsed);
    collapsed.sayWhatWasLeftOut();
    end(leftOut === 0 ? EXIT.clean : EXIT.findings);
  });
}

interface Written {
  readonly written: number;
  readonly leftOut: number;
}

/** An empty ledger is no error; a name that nothing has is one. */
function refuseNothing(flags: ExportFlags): void {
  const names = namesOf(flags);
  if (flags.run !== undefined) names.unshift(`run ${flags.run}`);
  if (names.length > 0) throw nothingOf(names.join(', '), flags.stream);
}

async function tell(
  terminal: Terminal,
  { output: file, json, collapse }: ExportFlags,
  { written: events, leftOut }: Written,
  { superseded }: CollapsedExport,
): Promise<void> {
  if (!json) return terminal.note(`${events} events in ${file}`);
  await terminal.json({ file, events, leftOut, ...(collapse !== 'none' && { superseded }) });
}

async function writeAll(records: AsyncIterable<LedgerRecord>, write: Write, terminal: Terminal): Promise<Written> {
  let [written, leftOut] = [0, 0];
  for await (const { bytes, streamSeq } of records) {
    // As a line of its own what is after the break would be an event that nobody has published under this subject.
    if (bytes.includes(NEWLINE)) {
      leftOut += 1;
      terminal.warn(`left out: stream seq ${streamSeq} has a line break in it, so it is no event`);
      continue;
    }
    written += 1;
    await write(bytes);
    if (terminal.readerGone.aborted) break;
  }
  return { written, leftOut };
}

function terminalWriter(terminal: Terminal): Write {
  const decoder = new TextDecoder();
  if (terminal.isTerminal) return (bytes) => terminal.line(visible(decoder.decode(bytes), LINE_SHOWN_MAX));
  return (bytes) => terminal.write(Buffer.concat([bytes, LINE_BREAK]));
}

async function toFile(
  file: string,
  { interrupted }: CommandContext,
  work: (write: Write) => Promise<Written>,
): Promise<Written> {
  const partial = `${file}.partial`;
  const stream = createWriteStream(partial);
  // Whoever writes next is told: see `writeTo`.
  stream.on('error', () => {});
  try {
    if (stream.pending) await once(stream, 'open');
    const result = await work((bytes) => writeTo(stream, bytes));
    stream.end();
    await once(stream, 'close');
    if (!interrupted.aborted) await rename(partial, file);
    return result;
  } finally {
    stream.destroy();
    await rm(partial, { force: true });
  }
}

async function writeTo(stream: WriteStream, bytes: Uint8Array): Promise<void> {
  if (stream.errored) throw stream.errored;
  if (!stream.write(Buffer.concat([bytes, LINE_BREAK]))) await once(stream, 'drain');
}
