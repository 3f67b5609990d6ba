import type { Attributes } from '@opentelemetry/api';
import type { SpanView } from '../span/span-view.ts';
import { RuleProblem, isRecord } from './rule-problem.ts';
import type { RuleCondition, TextMatch } from './designation-rule.ts';

type Test<T> = (value: T) => boolean;

const KEYS: ReadonlySet<string> = new Set(['name', 'kind', 'scope', 'attributes'] satisfies (keyof RuleCondition)[]);

/** @throws RuleProblem for what cannot be a condition. */
export function compileCondition(when: RuleCondition): Test<SpanView> {
  if (!isRecord(when)) throw new RuleProblem('`when` must be an object');
  const unknown = Object.keys(when).find((key) => !KEYS.has(key));
  if (unknown !== undefined)
    throw new RuleProblem(`\`when.${unknown}\` is not a condition; there are ${[...KEYS].join(', ')}`);
  const { name, kind, scope, attributes } = when;
  const tests: Test<SpanView>[] = [];
  // Cheapest first: most spans fail here.
  if (kind !== undefined) tests.push(kindTest(kind));
  if (name !== undefined) tests.push(on((span) => span.name, textTest('name', name)));
  if (scope !== undefined) tests.push(on((span) => span.instrumentationScope.name, textTest('scope', scope)));
  if (attributes !== undefined) tests.push(...attributeTests(attributes));
  if (tests.length === 0) throw new RuleProblem('`when` must hold at least one condition');
  return all(tests);
}

function all(tests: readonly Test<SpanView>[]): Test<SpanView> {
  const [first, second] = tests;
  // By far the most rules have one or two; a closure of its own for each is several times as fast as a loop.
  if (first !== undefined && second === undefined) return first;
  if (first !== undefined && second !== undefined && tests.length === 2) return (span) => first(span) && second(span);
  return (span) => tests.every((test) => test(span));
}

function on(read: (span: SpanView) => string, test: Test<string>): Test<SpanView> {
  return (span) => test(read(span));
}

function kindTest(kind: NonNullable<RuleCondition['kind']>): Test<SpanView> {
  const kinds: readonly unknown[] = Array.isArray(kind) ? kind : [kind];
  if (
    kinds.length === 0 ||
    !kinds.every((one) => Number.isInteger(one) && (one as number) >= 0 && (one as number) <= 4)
  ) {
    throw new RuleProblem('`when.kind` must be a SpanKind or a list of them');
  }
  return (span) => kinds.includes(span.kind);
}

function textTest(property: string, match: TextMatch): Test<string> {
  if (typeof match === 'string') return (text) => text === match;
  if (match instanceof RegExp) return patternTest(match);
  if (!Array.isArray(match) || match.length === 0) {
    throw new RuleProblem(`\`when.${property}\` must be a string, a RegExp or a list of them`);
  }
  const tests = (match as readonly TextMatch[]).map((one) => textTest(property, one));
  return (text) => tests.some((test) => test(text));
}

/** A copy without `g` and `y`, which make `test` remember where it was. */
function patternTest(pattern: RegExp): Test<string> {
  const stateless = new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''));
  return (text) => stateless.test(text);
}

function attributeTests(attributes: NonNullable<RuleCondition['attributes']>): Test<SpanView>[] {
  if (!isRecord(attributes)) throw new RuleProblem('`when.attributes` must be an object');
  return Object.entries(attributes).map(([key, expected]) => {
    const test = valueTest(key, expected);
    return (span) => test(span.attributes[key]);
  });
}

function valueTest(key: string, expected: unknown): Test<Attributes[string]> {
  if (expected === true) return (value) => value !== undefined;
  if (expected instanceof RegExp) {
    const test = patternTest(expected);
    return (value) => value !== undefined && test(String(value));
  }
  if (Array.isArray(expected)) {
    return (value) =>
      Array.isArray(value) && value.length === expected.length && value.every((item, i) => item === expected[i]);
  }
  if (typeof expected === 'string' || typeof expected === 'number' || typeof expected === 'boolean') {
    return (value) => value === expected;
  }
  throw new RuleProblem(`\`when.attributes\` of ${JSON.stringify(key)} must be an attribute value, a RegExp or true`);
}
