import { SpanKind } from '@opentelemetry/api';
import { SpanledgerError } from '@spanledger/protocol';
import { buildSpan } from '@spanledger/testkit';
import type { SpanPlan } from '@spanledger/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compileRules, genai, http, lifecycle } from '../src/index.ts';
import type { DesignationRules } from '../src/index.ts';
import { inRun, traced } from './span-fixture.ts';

const ok = { when: { name: 'a' }, event: 'a_done' };

describe('compileRules', () => {
  it.each<[string, unknown, RegExp]>([
    ['no rule', [ok, null], /rule audit\[1\]: must be an object/],
    ['a string', ['http'], /rule audit\[0\]: must be an object/],
    ['no when', [[ok], [{ event: 'x' }]], /rule audit\[1\]\[0\]: `when` must be an object/],
    ['empty when', [{ when: {}, event: 'x' }], /at least one condition/],
    ['unknown condition', [{ when: { span: 'x' }, event: 'x' }], /`when\.span` is not a condition/],
    ['bad kind', [{ when: { kind: 'SERVER' }, event: 'x' }], /`when\.kind` must be a SpanKind/],
    ['bad name', [{ when: { name: 7 }, event: 'x' }], /`when\.name` must be/],
    ['empty list of names', [{ when: { name: [] }, event: 'x' }], /`when\.name` must be/],
    ['bad attribute', [{ when: { attributes: { a: null } }, event: 'x' }], /`when\.attributes` of "a"/],
    ['no event', [{ when: { name: 'x' } }], /`event` must be a name/],
    ['bad event', [{ when: { name: 'x' }, event: 'Not Snake' }], /event name "Not Snake" must be snake_case/],
    ['no event at all', [{ when: { name: 'x' }, event: {} }], /at least one of/],
    ['unknown moment', [{ when: { name: 'x' }, event: { finish: 'x' } }], /`event\.finish`/],
    ['bad level', [{ ...ok, level: 'all' }], /`level` must be/],
    ['bad fields', [{ ...ok, fields: [1] }], /`fields` must be/],
    ['bad details', [{ ...ok, details: {} }], /`details` must be/],
    ['unknown property', [{ ...ok, evnet: 'x' }], /`evnet` is not a property/],
  ])('refuses %s', (_, rules, message) => {
    const compile = () => compileRules(rules as DesignationRules);
    expect(compile).toThrow(SpanledgerError);
    expect(compile).toThrow(
      expect.objectContaining({ code: 'SPANLEDGER_OPTION', message: expect.stringMatching(message) }),
    );
  });

  it('refuses a list that holds itself', () => {
    const endless: DesignationRules[] = [];
    endless.push(endless);
    expect(() => compileRules(endless)).toThrow(/nested deeper/);
  });

  it('knows whether lifecycle() is among the rules', () => {
    expect(compileRules([ok, [[lifecycle()]]]).lifecycle).toBe(true);
    expect(compileRules([ok, http()]).lifecycle).toBe(false);
  });

  it('throws nothing but coded errors, whatever it is given', () => {
    fc.assert(
      fc.property(fc.anything(), (rules) => {
        try {
          compileRules([rules as DesignationRules, { when: rules, event: rules, fields: rules } as never]);
        } catch (error) {
          expect(error).toMatchObject({ code: 'SPANLEDGER_OPTION' });
        }
      }),
    );
  });
});

interface SpanSpec extends Partial<SpanPlan> {
  scope?: string;
}

/** What becomes of one span under these rules. */
async function eventOf(rules: DesignationRules, spec: SpanSpec): Promise<Record<string, unknown> | undefined> {
  const { provider, events, processor } = traced({ rules });
  const { scope = 'test-scope', ...plan } = spec;
  buildSpan(provider.getTracer(scope), { name: 'span', ...plan }, inRun());
  expect(Object.values(processor.faults).filter(Boolean)).toEqual([]);
  const all = await events();
  expect(all.length).toBeLessThanOrEqual(1);
  return all[0];
}

describe('a rule', () => {
  it.each<[string, DesignationRules, SpanSpec, string | undefined]>([
    ['name', { when: { name: 'a' }, event: 'yes' }, { name: 'a' }, 'yes'],
    ['another name', { when: { name: 'a' }, event: 'yes' }, { name: 'ab' }, undefined],
    ['a pattern', { when: { name: /^a/ }, event: 'yes' }, { name: 'ab' }, 'yes'],
    ['one of several', { when: { name: ['x', /b$/] }, event: 'yes' }, { name: 'ab' }, 'yes'],
    ['kind', { when: { kind: SpanKind.CLIENT }, event: 'yes' }, { kind: SpanKind.CLIENT }, 'yes'],
    ['kind 0', { when: { kind: SpanKind.INTERNAL }, event: 'yes' }, { kind: SpanKind.SERVER }, undefined],
    ['kinds', { when: { kind: [SpanKind.SERVER, SpanKind.CLIENT] }, event: 'yes' }, { kind: SpanKind.CLIENT }, 'yes'],
    ['scope', { when: { scope: /^@acme\// }, event: 'yes' }, { scope: '@acme/db' }, 'yes'],
    ['another scope', { when: { scope: '@acme/db' }, event: 'yes' }, {}, undefined],
    ['attribute value', { when: { attributes: { a: 1 } }, event: 'yes' }, { attributes: { a: 1 } }, 'yes'],
    ['attribute type', { when: { attributes: { a: 1 } }, event: 'yes' }, { attributes: { a: '1' } }, undefined],
    ['attribute false', { when: { attributes: { a: false } }, event: 'yes' }, { attributes: { a: false } }, 'yes'],
    ['attribute there', { when: { attributes: { a: true } }, event: 'yes' }, { attributes: { a: false } }, 'yes'],
    ['attribute not there', { when: { attributes: { a: true } }, event: 'yes' }, {}, undefined],
    ['attribute pattern', { when: { attributes: { a: /^\d+$/ } }, event: 'yes' }, { attributes: { a: 42 } }, 'yes'],
    ['attribute list', { when: { attributes: { a: ['x'] } }, event: 'yes' }, { attributes: { a: ['x'] } }, 'yes'],
    [
      'all of them',
      { when: { name: 'a', kind: SpanKind.CLIENT, attributes: { a: 1 } }, event: 'yes' },
      { name: 'a', kind: SpanKind.CLIENT, attributes: { a: 2 } },
      undefined,
    ],
    [
      'the first',
      [[{ when: { name: 'b' }, event: 'no' }], { when: { name: 'a' }, event: 'yes' }, ok],
      { name: 'a' },
      'yes',
    ],
    ['end of a failed span', { when: { name: 'a' }, event: 'yes' }, { name: 'a', error: 'it broke' }, 'yes'],
    [
      'error of a failed span',
      { when: { name: 'a' }, event: { end: 'no', error: 'yes' } },
      { name: 'a', error: 'it broke' },
      'yes',
    ],
    ['error of a good span', { when: { name: 'a' }, event: { end: 'yes', error: 'no' } }, { name: 'a' }, 'yes'],
    ['errors only', [{ when: { name: 'a' }, event: { error: 'no' } }, ok], { name: 'a' }, undefined],
    ['a function', (span) => (span.name === 'a' ? { event: 'yes' } : undefined), { name: 'a' }, 'yes'],
    ['a function that declines', [() => undefined, ok], { name: 'a' }, 'a_done'],
    [
      'a sticky pattern, twice',
      [
        { when: { name: /^b/g }, event: 'no' },
        { when: { name: /^a/y }, event: 'yes' },
      ],
      { name: 'a' },
      'yes',
    ],
  ])('matches %s', async (_, rules, spec, expected) => {
    expect((await eventOf(rules, spec))?.['event']).toBe(expected);
  });

  it('with a global pattern matches every time', async () => {
    const { tracer, events } = traced({ rules: { when: { name: /a/g }, event: 'yes' } });
    const ctx = inRun();
    for (let i = 0; i < 4; i += 1) tracer.startSpan('a', {}, ctx).end();
    expect(await events()).toHaveLength(4);
  });

  it('records listed attributes, renamed ones, and nothing else', async () => {
    const attributes = { amount: 12, currency: 'EUR', card: '4111', old: 1 };
    const list = { when: { name: 'a' }, event: 'pay', fields: ['amount', 'missing'] };
    expect((await eventOf(list, { name: 'a', attributes }))?.['fields']).toEqual({ amount: 12 });
    const map = { when: { name: 'a' }, event: 'pay', fields: { sum: 'amount', unit: ['unit', 'currency'] } };
    expect((await eventOf(map, { name: 'a', attributes }))?.['fields']).toEqual({ sum: 12, unit: 'EUR' });
    const none = { when: { name: 'a' }, event: 'pay' };
    expect(await eventOf(none, { name: 'a', attributes })).not.toHaveProperty('fields');
  });

  it('records the size of content, and content at level payload', async () => {
    const attributes = { 'db.query.text': 'select ü', 'gen_ai.prompt': '', rows: 1 };
    const fields = { query: 'db.query.text', prompt: 'gen_ai.prompt', rows: 'rows' };
    const rule = { when: { name: 'a' }, event: 'queried', fields };
    expect((await eventOf(rule, { name: 'a', attributes }))?.['fields']).toEqual({ query_size: 9, rows: 1 });
    const payload = { ...rule, level: 'payload' as const };
    expect((await eventOf(payload, { name: 'a', attributes }))?.['fields']).toEqual({ query: 'select ü', rows: 1 });
    const fn = { when: { name: 'a' }, event: 'queried', fields: () => ({ 'db.statement': 'abc', rows: 2 }) };
    expect((await eventOf(fn, { name: 'a' }))?.['fields']).toEqual({ 'db.statement_size': 3, rows: 2 });
  });

  it('says what failed', async () => {
    const spec = { name: 'a', error: 'it broke', attributes: { 'error.type': 'TimeoutError' } };
    expect((await eventOf(ok, spec))?.['fields']).toEqual({
      status: 'error',
      error_type: 'TimeoutError',
      error_message: 'it broke',
    });
  });
});

describe('http()', () => {
  const attributes = {
    'http.request.method': 'GET',
    'http.response.status_code': 200,
    'http.route': '/users/:id',
    'url.scheme': 'https',
    'url.path': '/users/7',
    'url.query': 'token=secret',
    'url.full': 'https://h/users/7?token=secret',
    'client.address': '10.0.0.1',
    'network.protocol.version': '1.1',
    'server.address': 'h',
  };

  it('records route and result, and neither path, query nor client', async () => {
    expect(await eventOf(http(), { kind: SpanKind.SERVER, attributes })).toMatchObject({
      event: 'http_request',
      fields: { method: 'GET', route: '/users/:id', scheme: 'https', status_code: 200, protocol_version: '1.1' },
    });
    const text = JSON.stringify(await eventOf(http(), { kind: SpanKind.SERVER, attributes }));
    expect(text).not.toMatch(/secret|10\.0\.0\.1|users\/7/);
  });

  it('reads the old conventions', async () => {
    const old = { 'http.method': 'POST', 'http.status_code': 201, 'http.target': '/x?y', 'http.scheme': 'http' };
    const event = await eventOf(http(), { kind: SpanKind.SERVER, attributes: old });
    expect(event?.['fields']).toEqual({ method: 'POST', status_code: 201, scheme: 'http' });
  });

  it('leaves requests made alone, unless asked', async () => {
    expect(await eventOf(http(), { kind: SpanKind.CLIENT, attributes })).toBeUndefined();
    expect(await eventOf(http({ client: true }), { kind: SpanKind.CLIENT, attributes })).toMatchObject({
      event: 'http_client_request',
      fields: { method: 'GET', host: 'h', status_code: 200 },
    });
    expect(await eventOf(http(), { kind: SpanKind.SERVER })).toBeUndefined();
  });
});

describe('genai()', () => {
  const chat = {
    'gen_ai.operation.name': 'chat',
    'gen_ai.provider.name': 'openai',
    'gen_ai.request.model': 'gpt-5',
    'gen_ai.response.model': 'gpt-5-2026',
    'gen_ai.response.id': 'resp_1',
    'gen_ai.response.finish_reasons': ['stop'],
    'gen_ai.usage.input_tokens': 10,
    'gen_ai.usage.output_tokens': 0,
    'gen_ai.conversation.id': 'conv_1',
    'gen_ai.input.messages': '[{"role":"user","content":"my secret"}]',
    'gen_ai.output.messages': '[{"content":"my answer"}]',
  };

  it('makes a model call an llm_call, without what was said', async () => {
    const event = await eventOf(genai(), { kind: SpanKind.CLIENT, attributes: chat });
    expect(event).toMatchObject({
      event: 'llm_call',
      model: 'gpt-5-2026',
      provider: 'openai',
      request_id: 'resp_1',
      input_tokens: 10,
      output_tokens: 0,
      session_id: 'conv_1',
      fields: {
        operation: 'chat',
        requested_model: 'gpt-5',
        finish_reasons: ['stop'],
        prompt_messages_size: 39,
        completion_size: 25,
      },
    });
    expect(event).not.toHaveProperty('tokens_unavailable');
    expect(JSON.stringify(event)).not.toMatch(/my secret|my answer/);
  });

  it('records what was said at level payload', async () => {
    const event = await eventOf(genai({ level: 'payload' }), { attributes: chat });
    expect(event?.['fields']).toMatchObject({ completion: '[{"content":"my answer"}]' });
  });

  it('reads the older names, and says that tokens are not known', async () => {
    const old = { 'gen_ai.operation.name': 'embeddings', 'gen_ai.system': 'cohere', 'gen_ai.request.model': 'e1' };
    expect(await eventOf(genai(), { attributes: old })).toMatchObject({
      event: 'llm_call',
      model: 'e1',
      provider: 'cohere',
      tokens_unavailable: true,
    });
    const counted = { ...old, 'gen_ai.usage.prompt_tokens': 3, 'gen_ai.usage.completion_tokens': 4 };
    const event = await eventOf(genai(), { attributes: counted });
    expect(event).toMatchObject({ input_tokens: 3, output_tokens: 4 });
    expect(event).not.toHaveProperty('tokens_unavailable');
  });

  it.each<[string, SpanSpec, string | undefined]>([
    ['failure', { attributes: chat, error: 'it broke' }, 'llm_call_failed'],
    ['abort', { attributes: { ...chat, 'error.type': 'APIUserAbortError' }, error: 'it broke' }, 'llm_call_cancelled'],
    ['tool', { attributes: { 'gen_ai.operation.name': 'execute_tool' } }, 'tool_exec'],
    ['mcp call', { kind: SpanKind.CLIENT, attributes: { 'mcp.method.name': 'tools/call' } }, 'mcp_tool_call'],
    ['mcp serve', { kind: SpanKind.SERVER, attributes: { 'mcp.method.name': 'tools/call' } }, 'tool_exec'],
    ['mcp list', { attributes: { 'mcp.method.name': 'tools/list' } }, undefined],
    ['agent', { attributes: { 'gen_ai.operation.name': 'invoke_agent' } }, undefined],
  ])('names a %s', async (_, spec, expected) => {
    expect((await eventOf(genai(), spec))?.['event']).toBe(expected);
  });

  it("gives the sizes of a tool's arguments and result", async () => {
    const attributes = {
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'search',
      'gen_ai.tool.call.id': 'call_1',
      'gen_ai.tool.call.arguments': '{"q":"x"}',
      'gen_ai.tool.call.result': 'found',
    };
    const event = await eventOf(genai(), { attributes });
    expect(event?.['fields']).toEqual({ tool: 'search', tool_call_id: 'call_1', args_size: 9, result_size: 5 });
  });
});
