import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { explainRules } from '@spanledger/audit';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import type { CommandContext } from '../run/context.ts';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import { loadRules } from '../source/load-rules.ts';
import { receiveOtlp } from '../source/otlp-receiver.ts';
import type { ListenAddress } from '../source/otlp-receiver.ts';
import { readOtlpSpans } from '../source/otlp-spans.ts';
import type { OtlpSpan } from '../source/otlp-spans.ts';
import { printExplained, toDocument } from './explain-text.ts';
import type { Explained } from './explain-text.ts';

interface ExplainFlags {
  readonly listen?: ListenAddress | true;
  readonly rules?: string;
  readonly span?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

type Explain = (spans: readonly OtlpSpan[]) => Explained[];

/** The port of OTLP over HTTP, and nobody else's business. */
const LISTEN_DEFAULT: ListenAddress = { host: '127.0.0.1', port: 4318 };
const PORT_MAX = 65_535;

export function addExplain(program: Command, context: CommandContext, end: (exitCode: number) => void): void {
  program
    .command('explain')
    .summary('which rule takes which span, and why not')
    .description(
      'Asks designation rules about spans: which rule takes a span, as which event, and what the others miss. The spans are those of an ' +
        'OTLP/JSON file, or with --listen those that a running service exports.\n' +
        'A rule with a `start` decides by what is known at the start of a span; here everything is known.',
    )
    .argument('[file]', 'OTLP/JSON, or one document to a line as the collector writes it; - for standard input')
    .addOption(
      new Option(
        '--listen [address]',
        'take spans from OTLP exporters on [host:]port until Ctrl-C (default: 127.0.0.1:4318)',
      ).argParser(parseAddress),
    )
    .option(
      '--rules <module>',
      'exports the rules as `audit`, `rules` or default, and is run (default: genai() and http())',
    )
    .option('--span <text>', 'only spans with this in their name or span id')
    .option('--all', 'every rule, not only the one taken or the closest')
    .option('--json', 'print one JSON document; with --listen NDJSON: one object for each span')
    .action(async (file: string | undefined, flags: ExplainFlags) => {
      if ((file === undefined) === (flags.listen === undefined)) {
        throw new Failure(EXIT.usage, 'the spans of a file, or with --listen those of a service: one of the two');
      }
      const one = explainRules(await loadRules(flags.rules));
      const explain: Explain = (spans) =>
        spans.filter((span) => isWanted(flags, span)).map((span) => ({ span, ...one(span) }));
      if (file === undefined) await explainLive(explain, flags, context);
      else await explainFile(file, explain, flags, context);
      end(EXIT.clean);
    });
}

async function explainFile(
  file: string,
  explain: Explain,
  flags: ExplainFlags,
  context: CommandContext,
): Promise<void> {
  const explained = explain(await readSpans(file, context));
  if (explained.length === 0) throw new Failure(EXIT.findings, 'there is no such span');
  if (flags.json) await context.terminal.json({ spans: explained.map(toDocument) });
  else for (const one of explained) await printExplained(context.terminal, one, flags.all === true);
}

/** Until Ctrl-C, or until nobody reads any more. */
async function explainLive(explain: Explain, flags: ExplainFlags, { terminal, signal }: CommandContext): Promise<void> {
  const address = flags.listen === undefined || flags.listen === true ? LISTEN_DEFAULT : flags.listen;
  const receiver = await receiveOtlp(address, async (spans) => {
    for (const one of explain(spans)) {
      if (flags.json) await terminal.json(toDocument(one), 0);
      else await printExplained(terminal, one, flags.all === true);
    }
  });
  terminal.note(`listening: OTEL_EXPORTER_OTLP_ENDPOINT=${receiver.url} sends a service's spans here; Ctrl-C ends it`);
  if (!signal.aborted) await once(signal, 'abort');
  await receiver.close();
}

function isWanted({ span: wanted }: ExplainFlags, { name, spanId }: OtlpSpan): boolean {
  return wanted === undefined || name.includes(wanted) || spanId === wanted;
}

async function readSpans(file: string, { terminal }: CommandContext): Promise<readonly OtlpSpan[]> {
  const bytes = file === '-' ? await buffer(terminal.io.stdin) : await readFile(file);
  const spans = readOtlpSpans(bytes.toString('utf8'));
  if (spans !== undefined) return spans;
  throw new Failure(
    EXIT.usage,
    `${file}: this is no OTLP/JSON`,
    'it is an object with `resourceSpans`, or one to a line',
  );
}

/** `4318`, `0.0.0.0:4318`, `[::1]:4318`. */
function parseAddress(text: string): ListenAddress {
  const match = /^(?:(?:\[([^\]]+)\]|([^:]+)):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > PORT_MAX) throw new InvalidArgumentError('a port, or host:port, is wanted.');
  return { host: match[1] ?? match[2] ?? LISTEN_DEFAULT.host, port };
}
