import type { RuleExplanation, SpanExplanation } from '@spanledger/audit';
import type { OtlpSpan } from '../source/otlp-spans.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { visible } from '../terminal/visible.ts';

/** A span, and what the rules make of it. */
export interface Explained extends SpanExplanation {
  readonly span: OtlpSpan;
}

const KINDS = ['internal', 'server', 'client', 'producer', 'consumer'];

/** @param all every rule, not only the one taken or the closest. */
export async function printExplained(
  terminal: Terminal,
  { span, events, named, rules }: Explained,
  all: boolean,
): Promise<void> {
  const { bold, dim, green, yellow } = terminal.colors;
  const verdict = events.length === 0 ? yellow('no event') : green(events.map((name) => visible(name)).join(', '));
  const what = `${KINDS[span.kind] ?? ''}  ${visible(span.instrumentationScope.name)}  ${visible(span.spanId)}`;
  await terminal.line(`${bold(visible(span.name))}  ${verdict}  ${dim(what)}`);
  if (named) await terminal.line('    named by the span itself: forge.audit.event');
  for (const rule of all ? rules : worthTelling(rules, events.length > 0)) await terminal.line(`    ${ruleText(rule)}`);
}

/** For `--json`. */
export function toDocument({ span, ...explained }: Explained): object {
  const { traceId, spanId, name, kind, instrumentationScope } = span;
  return { traceId, spanId, name, kind: KINDS[kind], scope: instrumentationScope.name, ...explained };
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
