import { SpanStatusCode } from '@opentelemetry/api';
import { SpanledgerError } from '@spanledger/protocol';
import type { JsonValue } from '@spanledger/protocol';
import { isApplicationEvent } from '../application-event.ts';
import type { EventDetails } from '../event-input.ts';
import type { SpanView } from '../span/span-view.ts';
import { compileCondition } from './compile-condition.ts';
import type { DataRule, DesignationRules, FunctionRule, LifecycleRule, RuleEvents } from './designation-rule.ts';
import { createFieldReader, recordFields } from './read-fields.ts';
import { ruleAnswer } from './rule-answer.ts';
import { RuleProblem, isRecord } from './rule-problem.ts';

/** What an event says beside its place. */
export interface EventContent {
  readonly details?: EventDetails | undefined;
  readonly fields?: Readonly<Record<string, JsonValue>> | undefined;
}

/** A rule has matched an ended span. */
export interface Match {
  /** `undefined`: a span that ended like this is no event. */
  readonly event: string | undefined;
  /** May throw what the rule's function throws; the event does not depend on it (I6). */
  content(): EventContent;
}

/** Decides at a span's end. */
type EndRule = (span: SpanView) => Match | undefined;

/** Decides at a span's start, and is bound to its end. */
export interface StartRule {
  readonly event: string;
  matches(span: SpanView): boolean;
  content(span: SpanView): EventContent;
  end(span: SpanView): Match;
}

/** Rules, flat and checked. First match wins in each list. */
export interface CompiledRules {
  readonly startRules: readonly StartRule[];
  readonly endRules: readonly EndRule[];
  /** `lifecycle()` is among them: every run is bracketed. The pipeline's option `lifecycle: 'always'`. */
  readonly lifecycle: boolean;
}

const RULE_KEYS: ReadonlySet<string> = new Set([
  'when',
  'event',
  'level',
  'fields',
  'details',
] satisfies (keyof DataRule)[]);
const EVENT_KEYS: ReadonlySet<string> = new Set(['start', 'end', 'error'] satisfies (keyof RuleEvents)[]);
/** A list that holds itself would never end. */
const NESTING_MAX = 16;

/**
 * Checks rules once, so that nothing has to be checked per span.
 *
 * @throws SpanledgerError `SPANLEDGER_OPTION`, naming the rule by its place (`audit[2][0]`) and what is wrong with it.
 */
export function compileRules(rules: DesignationRules): CompiledRules {
  const compiled = { startRules: [] as StartRule[], endRules: [] as EndRule[], lifecycle: false };
  addRules(compiled, rules, 'audit', 0);
  return compiled;
}

function addRules(
  compiled: { startRules: StartRule[]; endRules: EndRule[]; lifecycle: boolean },
  rule: DesignationRules,
  place: string,
  depth: number,
): void {
  try {
    if (isList(rule)) {
      if (depth === NESTING_MAX) throw new RuleProblem(`lists of rules must not be nested deeper than ${NESTING_MAX}`);
      for (const [i, one] of rule.entries()) addRules(compiled, one, `${place}[${i}]`, depth + 1);
    } else if (typeof rule === 'function') compiled.endRules.push(compileFunction(rule));
    else if (isLifecycle(rule)) compiled.lifecycle = true;
    else {
      const one = compileData(rule);
      if (typeof one === 'function') compiled.endRules.push(one);
      else compiled.startRules.push(one);
    }
  } catch (error) {
    if (!(error instanceof RuleProblem)) throw error;
    throw new SpanledgerError('SPANLEDGER_OPTION', `rule ${place}: ${error.message}`);
  }
}

function compileData(rule: DataRule): StartRule | EndRule {
  if (!isRecord(rule))
    throw new RuleProblem('must be an object with `when` and `event`, a function, or a list of these');
  const unknown = Object.keys(rule).find((key) => !RULE_KEYS.has(key));
  if (unknown !== undefined) throw new RuleProblem(`\`${unknown}\` is not a property of a rule`);
  const matches = compileCondition(rule.when);
  const { start, end, error } = checkEvents(rule.event);
  const { details } = rule;
  if (details !== undefined && typeof details !== 'function') throw new RuleProblem('`details` must be a function');
  const readFields = createFieldReader(checkFields(rule.fields), checkLevel(rule.level));

  const content = (span: SpanView): EventContent => ({
    details: ruleAnswer(details?.(span)),
    fields: readFields(span),
  });
  const match = (span: SpanView): Match => ({
    event: span.status.code === SpanStatusCode.ERROR ? (error ?? end) : end,
    content: () => content(span),
  });
  return start === undefined
    ? (span) => (matches(span) ? match(span) : undefined)
    : { event: start, matches, content, end: match };
}

function compileFunction(rule: FunctionRule): EndRule {
  return (span) => {
    const designation = ruleAnswer(rule(span));
    if (designation === undefined || designation === null) return undefined;
    const { event, level = 'metadata', fields, ...details } = designation;
    if (!isApplicationEvent(event))
      throw new TypeError(
        `a rule named an event ${JSON.stringify(event)}, which is not snake_case, or the ledger's own`,
      );
    return { event, content: () => ({ details, fields: recordFields(fields, level) }) };
  };
}

function checkEvents(event: DataRule['event']): RuleEvents {
  const events: RuleEvents = typeof event === 'string' ? { end: event } : event;
  if (!isRecord(events)) throw new RuleProblem('`event` must be a name, or names for `start`, `end` and `error`');
  const given = Object.entries(events).filter(([, name]) => name !== undefined);
  if (given.length === 0) throw new RuleProblem('`event` must name at least one of `start`, `end` and `error`');
  for (const [when, name] of given) {
    if (!EVENT_KEYS.has(when))
      throw new RuleProblem(`\`event.${when}\` is not one of \`start\`, \`end\` and \`error\``);
    if (isApplicationEvent(name)) continue;
    throw new RuleProblem(
      `event name ${JSON.stringify(name)} must be snake_case, 1 to 128 characters, and not one of the ledger's own`,
    );
  }
  return events;
}

function checkFields(fields: DataRule['fields']): DataRule['fields'] {
  if (fields === undefined || typeof fields === 'function') return fields;
  const keys: unknown = isRecord(fields) ? Object.values(fields).flat() : fields;
  if (Array.isArray(keys) && keys.every((key) => typeof key === 'string' && key !== '')) return fields;
  throw new RuleProblem(
    '`fields` must be a list of attribute keys, an object of field names and attribute keys, or a function',
  );
}

function checkLevel(level: DataRule['level']): NonNullable<DataRule['level']> {
  if (level === undefined) return 'metadata';
  if (level === 'metadata' || level === 'payload') return level;
  throw new RuleProblem(`\`level\` must be 'metadata' or 'payload', got ${JSON.stringify(level)}`);
}

function isList(rule: DesignationRules): rule is readonly DesignationRules[] {
  return Array.isArray(rule);
}

function isLifecycle(rule: DataRule | LifecycleRule): rule is LifecycleRule {
  return isRecord(rule) && 'lifecycle' in rule && rule.lifecycle;
}
