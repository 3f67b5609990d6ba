import { checkStream, checkTranscriptStream } from '@spanledger/jetstream';
import type { Command } from 'commander';
import { accountChecks, quotaChecks } from '../doctor/account-checks.ts';
import { at } from '../doctor/check.ts';
import type { Check } from '../doctor/check.ts';
import { clockCheck } from '../doctor/clock-check.ts';
import type { ClockReading } from '../doctor/clock-check.ts';
import { diskCheck, readVarz } from '../doctor/disk-check.ts';
import { serverChecks } from '../doctor/server-checks.ts';
import type { ServerFacts } from '../doctor/server-checks.ts';
import { streamChecks, transcriptChecks } from '../doctor/stream-checks.ts';
import type { CommandContext } from '../run/context.ts';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import { withConnection } from '../source/connection-options.ts';
import type { ConnectionFlags } from '../source/connection-options.ts';
import { withLink } from '../source/link.ts';
import type { Link } from '../source/link.ts';
import { ask, streamInfo } from '../source/stream-info.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { visible } from '../terminal/visible.ts';

interface DoctorFlags extends ConnectionFlags {
  readonly monitor?: string;
  readonly strict?: boolean;
  readonly json?: boolean;
}

const MONITOR_PORT = 8222;
const NAME_WIDTH = 18;

export function addDoctor(program: Command, context: CommandContext, end: (exitCode: number) => void): void {
  const command = program
    .command('doctor')
    .summary('is this server fit to keep a ledger?')
    .description('Looks at server, account and stream, and says what to do. Changes nothing.')
    .option('--monitor <url>', `monitoring port of the server (default: http://<its host>:${MONITOR_PORT})`)
    .option('--strict', 'warnings count as findings')
    .option('--json', 'print one JSON document');
  withConnection(command).action(async (flags: DoctorFlags) => {
    if (flags.monitor !== undefined && !URL.canParse(flags.monitor)) {
      throw new Failure(EXIT.usage, `--monitor ${flags.monitor} is no URL`, 'such as http://127.0.0.1:8222');
    }
    const checks = await withLink(flags, context, (link) => examine(link, flags));
    if (flags.json) await context.terminal.json({ checks });
    else await print(context.terminal, checks);
    const isBad = checks.some(({ level }) => level === 'fail' || (flags.strict && level === 'warn'));
    end(isBad ? EXIT.findings : EXIT.clean);
  });
}

async function examine(link: Link, flags: DoctorFlags): Promise<Check[]> {
  const { connection, stream } = link;
  const info = connection.info as ServerFacts & { readonly host?: string };
  const monitor = flags.monitor ?? `http://${hostOf(connection.getServer())}:${MONITOR_PORT}`;
  const askedMs = Date.now();
  const user: unknown = await ask(link, '$SYS.REQ.USER.INFO').catch(() => undefined);
  const clock = reading(at(user, 'server', 'time'), askedMs);
  const varzAskedMs = Date.now();
  const varz = await readVarz(monitor);
  return [
    ...serverChecks(info),
    ...accountChecks(user, stream),
    ...quotaChecks(await ask(link, '$JS.API.INFO').catch(() => undefined)),
    ...streamChecks(stream, await checkStream(connection, { stream }), await streamInfo(link).catch(() => undefined)),
    ...transcriptChecks(await checkTranscriptStream(connection)),
    diskCheck(varz, monitor),
    clockCheck(clock ?? reading(at(varz, 'now'), varzAskedMs)),
  ];
}

function reading(serverTime: unknown, askedMs: number): ClockReading | undefined {
  if (typeof serverTime !== 'string') return undefined;
  return { serverMs: Date.parse(serverTime), askedMs, answeredMs: Date.now() };
}

/** Of `host:port`, with the brackets of an IPv6 address. */
function hostOf(server: string): string {
  return server.replace(/:\d+$/, '');
}

async function print(terminal: Terminal, checks: readonly Check[]): Promise<void> {
  const { colors } = terminal;
  const paint = { ok: colors.green, warn: colors.yellow, fail: colors.red };
  for (const { name, level, text, advice } of checks) {
    await terminal.line(`${paint[level](level.padEnd(4))}  ${name.padEnd(NAME_WIDTH)}${visible(text)}`);
    if (advice !== undefined) await terminal.line(`${' '.repeat(NAME_WIDTH + 6)}${colors.dim(visible(advice))}`);
  }
}
