import { readAudit } from '@spanledger/jetstream';
import { memoryNotificationState, notify, webhookNotifier } from '@spanledger/ledger';
import type { LedgerRecords, NotificationFailure, Notifier, NotifyOptions } from '@spanledger/ledger';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { FileNotificationState } from '../notify/file-notification-state.ts';
import { TerminalNotifier } from '../notify/terminal-notifier.ts';
import type { CommandContext } from '../run/context.ts';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import { sha256 } from '../run/sha256.ts';
import { withConnection } from '../source/connection-options.ts';
import type { ConnectionFlags } from '../source/connection-options.ts';
import { withLink } from '../source/link.ts';
import type { Link } from '../source/link.ts';
import { sinceOption, toSelection } from '../source/selection.ts';
import type { SelectionFlags } from '../source/selection.ts';
import { streamInfo } from '../source/stream-info.ts';
import type { Terminal } from '../terminal/terminal.ts';

interface NotifyFlags extends ConnectionFlags, Pick<SelectionFlags, 'execution' | 'workflow' | 'since'> {
  readonly webhook?: string;
  readonly webhookAuthorization?: string;
  readonly webhookSecret?: string;
  readonly state?: string;
  readonly link?: Readonly<Record<string, string>>;
}

export function addNotify(program: Command, context: CommandContext, end: (exitCode: number) => void): void {
  const command = program
    .command('notify')
    .summary('how steps are doing: one line, or webhook message, for each')
    .description(
      'Says how the steps of workflows are doing, until Ctrl-C: on the terminal, or to a webhook. A step has one message, which changes ' +
        'with it; when it is tried again, what was said of the attempt before is taken back.',
    )
    .addOption(new Option('-e, --execution <id>', 'only this execution, from its beginning'))
    .addOption(new Option('-w, --workflow <id>', 'only this workflow'))
    .addOption(sinceOption())
    .addOption(new Option('--webhook <url>', 'post JSON there (default: print lines)'))
    .addOption(
      new Option('--webhook-authorization <value>', 'header Authorization').env('SPANLEDGER_WEBHOOK_AUTHORIZATION'),
    )
    .addOption(
      new Option('--webhook-secret <text>', 'signs bodies: X-Spanledger-Signature').env('SPANLEDGER_WEBHOOK_SECRET'),
    )
    .addOption(new Option('--state <file>', 'remembers what was said, so that a restart goes on from there'))
    .addOption(
      new Option('--link <label=url...>', 'links, with {execution}, {workflow}, {step}, {trace}').argParser(parseLink),
    );
  withConnection(command).action(async (flags: NotifyFlags) => {
    const { terminal, signal } = context;
    const channel = createChannel(terminal, flags);
    const onChange = (state: 'lost' | 'back'): void =>
      channel.note(state === 'lost' ? 'connection lost: waiting for the server' : 'connected again');
    await withLink(flags, { signal, onChange }, (link) => run(terminal, link, flags, channel));
    end(EXIT.clean);
  });
}

interface Channel {
  readonly notifier: Notifier;
  /** For a state file: which channel it is, without its secrets. */
  readonly name: string;
  note(text: string): void;
}

function createChannel(terminal: Terminal, flags: NotifyFlags): Channel {
  const { webhook: url, webhookAuthorization: authorization, webhookSecret: secret } = flags;
  if (url === undefined) {
    const notifier = new TerminalNotifier(terminal);
    const note = (text: string): void => {
      notifier.lose();
      terminal.note(text);
    };
    return { notifier, name: 'terminal', note };
  }
  const notifier = webhookNotifier({
    url,
    ...(authorization && { headers: { Authorization: authorization } }),
    ...(secret && { secret }),
  });
  return { notifier, name: `webhook ${sha256(Buffer.from(url))}`, note: (text) => terminal.note(text) };
}

async function run(terminal: Terminal, link: Link, flags: NotifyFlags, channel: Channel): Promise<void> {
  const { state: file, since, link: links } = flags;
  const { last_seq: lastSeq } = (await streamInfo(link)).state;
  const about = `${channel.name} of ${link.stream}`;
  const state = file === undefined ? undefined : new FileNotificationState(file, about);
  try {
    checkReached(state?.load().streamSeq, lastSeq, flags);
    const { connection, stream, signal } = link;
    const { since: _, ...selection } = toSelection(flags);
    const open = (fromSeq: number): LedgerRecords => {
      const start = since !== undefined && fromSeq === 1 ? { since } : { fromSeq };
      return readAudit(connection, { ...selection, ...start, stream, signal, live: true });
    };
    channel.note('notifying: Ctrl-C ends it');
    const options: NotifyOptions = {
      state: state ?? memoryNotificationState(),
      fromSeq: flags.execution === undefined && since === undefined ? lastSeq + 1 : 1,
      ...(links && { links }),
      onFailure: (failure) => channel.note(failureText(failure)),
    };
    const { unsaid, forgotten, passedOver } = await notify(open, channel.notifier, options);
    if (unsaid > 0)
      terminal.warn(`${unsaid} messages were not delivered${file === undefined ? '' : '; --state has them'}`);
    if (forgotten + passedOver > 0)
      terminal.warn(`too many messages at a time: ${forgotten} were given up, ${passedOver} events passed over`);
  } finally {
    state?.close();
  }
}

function checkReached(reached: number | undefined, lastSeq: number, { state, stream }: NotifyFlags): void {
  if (reached === undefined || reached <= lastSeq) return;
  const what = `--state ${state} has read up to ${reached}, and the stream ${stream} ends at ${lastSeq}`;
  throw new Failure(EXIT.usage, what, 'it is about another stream, or the stream was made anew: name another file');
}

function failureText({ error, retryInMs }: NotificationFailure): string {
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : '';
  const what = `not delivered: ${error instanceof Error ? error.message : String(error)}${cause}`;
  return retryInMs === undefined ? `${what}; given up` : `${what}; tried again in ${(retryInMs / 1_000).toFixed(1)} s`;
}

function parseLink(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('a label, = and a URL are wanted.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
