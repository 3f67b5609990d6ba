import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { explainRules } from '@spanledger/audit';
import type { RuleExplanation, SpanExplanation } from '@spanledger/audit';
import type { Command } from 'commander';
import type { CommandContext } from '../run/context.ts';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import { loadRules } from '../source/load-rules.ts';
import { readOtlpSpans } from '../source/otlp-spans.ts';
import type { OtlpSpan } from '../source/otlp-spans.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { visible } from '../terminal/visible.ts';

interface ExplainFlags {
  readonly rules?: string;
  readonly span?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

interface Explained extends SpanExplanation {
  readonly span: OtlpSpan;
}

const KINDS = ['internal', 'server', 'client', 'producer', 'consumer'];

export function addExplain(program: Command, context: CommandContext, end: (exitCode: number) => void): void {
  program
    .command('explain')
    .summary('which rule takes which span, and why not')
    .description(
      'Asks designation rules about the spans of an OTLP/JSON file: which rule takes a span, as which event, and what the others miss. ' +
        'A rule with a `start` decides by what is known at the start of a span; here everything is known.',
    )
    .argument('<file>', 'OTLP/JSON, or one document to a line as the collector writes it; - for standard input')
    .option(
      '--rules <module>',
      'exports the rules as `audit`, `rules` or default, and is run (default: genai() and http())',
    )
    .option('--span <text>', 'only spans with this in their name or span id')
    .option('--all', 'every rule, not only the one taken or the closest')
    .option('--json', 'print one JSON document')
    .action(async (file: string, flags: ExplainFlags) => {
      const explain = explainRules(await loadRules(flags.rules));
      const spans = (await readSpans(file, context)).filter(({ name, spanId }) => isWanted(flags, name, spanId));
      if (spans.length === 0) throw new Failure(EXIT.findings, 'there is no such span');
      const explained = spans.map((span): Explained => ({ span, ...explain(span) }));
      if (flags.json) await context.terminal.json({ spans: explained.map(toDocument) });
      else for (const one of explained) await print(context.terminal, one, flags.all === true);
      end(EXIT.clean);
    });
}

function isWanted({ span: wanted }: ExplainFlags, name: string, spanId: string): boolean {
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

async function print(terminal: Terminal, { span, events, named, rules }: Explained, all: boolean): Promise<void> {
  const { bold, dim, green, yellow } = terminal.colors;
  const verdict = events.length === 0 ? yellow('no event') : green(events.map((name) => visible(name)).join(', '));
  const what = `${KINDS[span.kind] ?? ''}  ${visible(span.instrumentationScope.name)}  ${visible(span.spanId)}`;
  await terminal.line(`${bold(visible(span.name))}  ${verdict}  ${dim(what)}`);
  if (named) await terminal.line('    named by the span itself: forge.audit.event');
  for (const rule of all ? rules : worthTelling(rules, events.length > 0)) await terminal.line(`    ${ruleText(rule)}`);
}

/** The rule that was taken, or else the ones that miss the least, and whatever failed. */
function worthTelling(rules: readonly RuleExplanation[], isEvent: boolean): readonly RuleExplanation[] {
  const taken = rules.filter(({ verdict }) => verdict === 'taken' || verdict === 'failed');
  if (isEvent || taken.some(({ verdict }) => verdict === 'taken')) return taken;
  const misses = rules.filter(({ unmet }) => unmet.length > 0);
  const least = Math.min(...misses.map(({ unmet }) => unmet.length));
  return [...taken, ...misses.filter(({ unmet }) => unmet.length === least)];
}

function ruleText({ place, verdict, unmet, decidesAt }: RuleExplanation): string {
  const when = decidesAt === 'start' ? ', at the start' : '';
  switch (verdict) {
    case 'taken':
      return `${place} takes it${when}`;
    case 'too_late':
      return `${place} matches, but an earlier rule takes it`;
    case 'failed':
      return `${place} failed: it threw, or named no event`;
    default:
      return unmet.length === 0 ? `${place} declines` : `${place} misses ${visible(unmet.join('; '))}`;
  }
}

function toDocument({ span, ...explained }: Explained): object {
  const { traceId, spanId, name, kind, instrumentationScope } = span;
  return { traceId, spanId, name, kind: KINDS[kind], scope: instrumentationScope.name, ...explained };
}
