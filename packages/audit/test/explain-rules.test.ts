import { SpanKind } from '@opentelemetry/api';
import type { Span } from '@opentelemetry/api';
import { buildSpan } from '@spanledger/testkit';
import type { SpanPlan } from '@spanledger/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { explainRules, genai, http, lifecycle } from '../src/index.ts';
import type { DesignationRules, SpanView } from '../src/index.ts';
import { inRun, traced } from './span-fixture.ts';

const RULES: DesignationRules = [
  [lifecycle(), { when: { kind: SpanKind.SERVER, attributes: { 'a.b': true, c: /^x/ } }, event: 'served' }],
  { when: { name: ['a', /^b/] }, event: { start: 'begun', end: 'done', error: 'broken' } },
  (span) => {
    if (span.name === 'thrower') throw new Error('no');
    return span.name === 'fn' ? { event: 'from_function' } : undefined;
  },
  { when: { name: 'fn' }, event: 'never' },
];

async function explain(rules: DesignationRules, plan: SpanPlan) {
  const { tracer, events } = traced({ rules });
  const span: Span = buildSpan(tracer, plan, inRun());
  const made = await events();
  return { ...explainRules(rules)(span as unknown as SpanView), made: made.map(({ event }) => event) };
}

describe('explainRules', () => {
  it('says which rule is taken, and what the others miss', async () => {
    const { events, rules } = await explain(RULES, {
      name: 'x',
      kind: SpanKind.SERVER,
      attributes: { 'a.b': 0, c: 'xy' },
    });
    expect(events).toEqual(['served']);
    expect(rules).toEqual([
      { place: 'audit[1]', decidesAt: 'start', verdict: 'no_match', unmet: ['name ["a", /^b/]'] },
      { place: 'audit[0][1]', decidesAt: 'end', verdict: 'taken', unmet: [] },
      { place: 'audit[2]', decidesAt: 'end', verdict: 'no_match', unmet: [] },
      { place: 'audit[3]', decidesAt: 'end', verdict: 'no_match', unmet: ['name "fn"'] },
    ]);
    const missing = await explain(RULES, { name: 'x' });
    expect(missing.rules[1]!.unmet).toEqual(['kind 1', 'attribute a.b true', 'attribute c /^x/']);
  });

  it('tells what came too late, and what failed', async () => {
    const { events, rules } = await explain(RULES, { name: 'fn' });
    expect(events).toEqual(['from_function']);
    expect(rules.map(({ verdict }) => verdict)).toEqual(['no_match', 'no_match', 'taken', 'too_late']);
    const failed = await explain(RULES, { name: 'thrower' });
    expect(failed.rules.map(({ verdict }) => verdict)).toEqual(['no_match', 'no_match', 'failed', 'no_match']);
    expect(failed.events).toEqual([]);
  });

  it('lets the span itself name its end', async () => {
    const attributes = { 'forge.audit.event': 'own_name' };
    expect(await explain(RULES, { name: 'a', attributes })).toMatchObject({
      events: ['begun', 'own_name'],
      named: true,
    });
    expect(await explain(RULES, { name: 'x', attributes })).toMatchObject({ events: ['own_name'], named: true });
  });

  it('says what the span processor does', async () => {
    const plans = fc.record({
      name: fc.constantFrom('a', 'b1', 'fn', 'thrower', 'x'),
      kind: fc.constantFrom(SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT),
      attributes: fc.dictionary(
        fc.constantFrom('a.b', 'c', 'http.request.method', 'gen_ai.operation.name', 'forge.audit.event'),
        fc.constantFrom('xy', 'GET', 'chat', 'execute_tool', 'named_event', 'Not Snake'),
      ),
    });
    const errors = fc.constantFrom({}, { error: 'it broke' });
    await fc.assert(
      fc.asyncProperty(plans, errors, async (plan, error) => {
        const { events, made } = await explain([RULES, genai(), http({ client: true })], { ...plan, ...error });
        expect(events).toEqual(made);
      }),
    );
  });

  it('refuses a bad rule by its place', () => {
    expect(() => explainRules([RULES, { when: {}, event: 'x' }])).toThrow(/rule audit\[1\]: /);
  });
});
