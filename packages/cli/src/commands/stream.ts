import { checkStream, checkTranscriptStream, ensureStream, ensureTranscriptStream } from '@spanledger/jetstream';
import type { StreamDifference, StreamOptions, StreamState } from '@spanledger/jetstream';
import { AUDIT_STREAM, TRANSCRIPT_STREAM } from '@spanledger/protocol';
import { Option } from 'commander';
import type { Command } from 'commander';
import type { CommandContext } from '../run/context.ts';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import { withConnection } from '../source/connection-options.ts';
import type { ConnectionFlags } from '../source/connection-options.ts';
import { withLink } from '../source/link.ts';
import { integer, parseBytes, parseDuration } from '../source/selection.ts';
import { table } from '../terminal/table.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { toJson, visible } from '../terminal/visible.ts';

interface StreamFlags extends ConnectionFlags, Omit<StreamOptions, 'stream'> {
  readonly maxAge?: number;
  readonly duplicateWindow?: number;
  readonly transcripts?: boolean;
  readonly json?: boolean;
}

const REPLICAS_MAX = 5;

export function addStream(program: Command, context: CommandContext, end: (exitCode: number) => void): void {
  const stream = program
    .command('stream')
    .summary('create or check the stream')
    .description('Creates the audit stream, or checks the one that is there.');
  const run = async (given: StreamFlags, [ofEvents, ofTranscripts]: readonly (typeof checkStream)[]): Promise<void> => {
    const isOther = given.transcripts === true;
    const flags = isOther && given.stream === AUDIT_STREAM ? { ...given, stream: TRANSCRIPT_STREAM } : given;
    const look = (isOther ? ofTranscripts : ofEvents)!;
    const state = await withLink(flags, context, ({ connection }) => look(connection, toOptions(flags)));
    if (state.status === 'unknown') throw unknown(flags.stream, state.reason);
    if (flags.json) await context.terminal.json({ stream: flags.stream, ...state });
    else await print(context.terminal, flags, state);
    const isWrong = state.differences.some(({ severity }) => severity === 'error');
    end(state.status === 'missing' || isWrong ? EXIT.findings : EXIT.clean);
  };
  withOptions(stream.command('init'))
    .description(
      'Creates the stream, append-only, unless it is there. One that is there is checked, and never changed.',
    )
    .action((flags: StreamFlags) => run(flags, [ensureStream, ensureTranscriptStream]));
  withOptions(stream.command('check'))
    .description('Compares the stream with what it should be. Changes nothing.')
    .action((flags: StreamFlags) => run(flags, [checkStream, checkTranscriptStream]));
}

function withOptions(command: Command): Command {
  command
    .addOption(new Option('--replicas <n>', 'copies in a cluster (default: 1)').argParser(integer(1, REPLICAS_MAX)))
    .addOption(
      new Option('--max-bytes <size>', 'a full stream refuses: 200GiB (default: no limit)').argParser(parseBytes),
    )
    .addOption(
      new Option('--max-age <time>', 'older events are deleted: 365d (default: never)').argParser(parseDuration),
    )
    .addOption(
      new Option('--duplicate-window <time>', 'in which repeated publishes are recognised (default: 10m)').argParser(
        parseDuration,
      ),
    )
    .option('--transcripts', `the stream of transcripts, from which can be erased (default: ${TRANSCRIPT_STREAM})`)
    .option('--json', 'print one JSON document');
  return withConnection(command);
}

function toOptions({ stream, replicas, maxBytes, maxAge, duplicateWindow }: StreamFlags): StreamOptions {
  return {
    stream,
    ...(replicas !== undefined && { replicas }),
    ...(maxBytes !== undefined && { maxBytes }),
    ...(maxAge !== undefined && { maxAgeMs: maxAge }),
    ...(duplicateWindow !== undefined && { duplicateWindowMs: duplicateWindow }),
  };
}

function unknown(stream: string, reason: string): Failure {
  const advice = 'this account needs $JS.API.STREAM.INFO and, to create it, $JS.API.STREAM.CREATE; is JetStream on?';
  return new Failure(EXIT.unreachable, `nothing is known of the stream ${stream}: ${reason}`, advice);
}

async function print(terminal: Terminal, { stream, transcripts }: StreamFlags, state: StreamState): Promise<void> {
  const { colors } = terminal;
  const name = visible(stream);
  if (state.status === 'missing') {
    await terminal.line(
      `${colors.red('missing')}  ${name}: \`spanledger stream init${transcripts ? ' --transcripts' : ''}\` creates it`,
    );
    return;
  }
  if (state.status === 'created')
    return terminal.line(
      `${colors.green('created')}  ${name}, ${transcripts ? 'from which can be erased' : 'append-only'}`,
    );
  if (state.differences.length === 0) return terminal.line(`${colors.green('ok')}  ${name} is as it should be`);
  await terminal.line(`${name} is there, and differs:\n`);
  const columns = ['', 'setting', 'is', 'should be'].map((title) => ({ title }));
  await terminal.line(
    table(
      columns,
      state.differences.map((one) => row(one, terminal)),
      colors,
    ),
  );
}

function row({ setting, expected, actual, severity }: StreamDifference, { colors }: Terminal): string[] {
  const color = severity === 'error' ? colors.red : colors.yellow;
  return [color(severity), visible(setting), visible(toJson(actual)), visible(toJson(expected))];
}
