import { AUDIT_EVENT_ATTRIBUTE } from '@spanledger/protocol';
import { isApplicationEvent } from '../application-event.ts';
import type { SpanView } from '../span/span-view.ts';
import { compileCondition } from './compile-condition.ts';
import { compileRules } from './compile-rules.ts';
import type { CompiledRules } from './compile-rules.ts';
import type { DesignationRule, DesignationRules, RuleCondition } from './designation-rule.ts';

/** What one rule has to do with one span. */
export interface RuleExplanation {
  /** Which one it is: `audit[2][0]`. */
  readonly place: string;
  /** A rule with a `start` decides by what is known when the span starts; of a span that has ended, all is known. */
  readonly decidesAt: 'start' | 'end';
  /**
   * - `taken`: it says which events the span is;
   * - `too_late`: it matches, and another one was taken before;
   * - `no_match`: see `unmet`;
   * - `failed`: it is a function, and threw or named no event.
   */
  readonly verdict: 'taken' | 'too_late' | 'no_match' | 'failed';
  /** Conditions that do not hold, as the rule has them: `kind 1`, `attribute http.route true`. A function has none. */
  readonly unmet: readonly string[];
}

/** What becomes of one span, and why. */
export interface SpanExplanation {
  /** Names of its events, in order. */
  readonly events: readonly string[];
  /** Its attribute `forge.audit.event` names its end, whatever the rules say. */
  readonly named: boolean;
  /** Every rule, in the order in which they are asked: those that decide at the start first. */
  readonly rules: readonly RuleExplanation[];
}

/** A rule by itself, which is asked as if there were no other. */
interface SingleRule {
  readonly place: string;
  readonly compiled: CompiledRules;
  readonly conditions: readonly { readonly text: string; readonly holds: (span: SpanView) => boolean }[];
}

/**
 * Explains rules on ended spans: for people who wonder why there is an event, or none. It designates as the span processor does, by
 * asking the same compiled rules one by one, and is not made for speed.
 *
 * @returns a function that never throws.
 * @throws SpanledgerError `SPANLEDGER_OPTION`, as `compileRules`.
 */
export function explainRules(rules: DesignationRules): (span: SpanView) => SpanExplanation {
  compileRules(rules); // Names a bad rule by its place among all.
  const singles = flatten(rules, 'audit');
  const ordered = [...singles.filter(decidesAtStart), ...singles.filter((rule) => !decidesAtStart(rule))];
  return (span) => explainSpan(ordered, span);
}

function explainSpan(rules: readonly SingleRule[], span: SpanView): SpanExplanation {
  let events: readonly string[] | undefined;
  const explained = rules.map((rule): RuleExplanation => {
    const decidesAt = decidesAtStart(rule) ? 'start' : 'end';
    const answer = ask(rule, span);
    const explain = (verdict: RuleExplanation['verdict'], unmet: readonly string[] = []): RuleExplanation => ({
      place: rule.place,
      decidesAt,
      verdict,
      unmet,
    });
    if (answer === 'failed') return explain('failed');
    if (answer === undefined) return explain('no_match', unmetBy(rule, span));
    if (events !== undefined) return explain('too_late');
    events = answer;
    return explain('taken');
  });
  const own: unknown = span.attributes[AUDIT_EVENT_ATTRIBUTE];
  if (!isApplicationEvent(own)) return { events: events ?? [], named: false, rules: explained };
  // A start that was told stays; the span's own word is about its end.
  const start = explained.some(({ verdict, decidesAt }) => verdict === 'taken' && decidesAt === 'start');
  return { events: start ? [...(events ?? []).slice(0, 1), own] : [own], named: true, rules: explained };
}

/** The events that it makes of the span; `undefined` where it does not match. */
function ask({ compiled }: SingleRule, span: SpanView): readonly string[] | 'failed' | undefined {
  try {
    const [start] = compiled.startRules;
    if (start !== undefined) {
      const end = start.end(span).event;
      return start.matches(span) ? [start.event, ...(end === undefined ? [] : [end])] : undefined;
    }
    const match = compiled.endRules[0]?.(span);
    if (match === undefined) return undefined;
    return match.event === undefined ? [] : [match.event];
  } catch {
    return 'failed';
  }
}

function unmetBy({ conditions }: SingleRule, span: SpanView): string[] {
  return conditions.filter(({ holds }) => !holds(span)).map(({ text }) => text);
}

function decidesAtStart({ compiled }: SingleRule): boolean {
  return compiled.startRules.length > 0;
}

function flatten(rule: DesignationRules, place: string): SingleRule[] {
  if (Array.isArray(rule)) {
    return (rule as readonly DesignationRules[]).flatMap((one, i) => flatten(one, `${place}[${i}]`));
  }
  const single = rule as DesignationRule;
  // About runs, and not about spans.
  if (typeof single !== 'function' && 'lifecycle' in single) return [];
  const conditions = typeof single === 'function' ? [] : conditionsOf(single.when);
  return [{ place, compiled: compileRules(single), conditions }];
}

/** Each part of a condition, compiled as if it were all of it. */
function conditionsOf({ attributes = {}, ...others }: RuleCondition): SingleRule['conditions'] {
  const properties = Object.entries(others).filter(([, value]) => value !== undefined);
  return [
    ...properties.map(([key, value]) => ({
      text: `${key} ${show(value)}`,
      holds: compileCondition({ [key]: value }),
    })),
    ...Object.entries(attributes).map(([key, value]) => ({
      text: `attribute ${key} ${show(value)}`,
      holds: compileCondition({ attributes: { [key]: value } }),
    })),
  ];
}

function show(value: unknown): string {
  if (value instanceof RegExp) return String(value);
  return Array.isArray(value) ? `[${value.map(show).join(', ')}]` : JSON.stringify(value);
}
