import { describe, expect, it } from 'vitest';
import { copyPayload } from '../src/redaction/copy-payload.ts';
import { redactStructured } from '../src/redaction/redact-structured.ts';
import { SecretScrubber } from '../src/redaction/secret-scrubber.ts';
import type { RedactionPolicy } from '../src/index.ts';

interface Message {
  role: string;
  id?: string;
  name?: object;
  parts: { type: string; content?: unknown; id?: string; arguments?: Record<string, unknown> }[];
}
type Conversation = Record<string, unknown> & { messages: Message[] };

const conversation = (): Conversation => ({
  kind: 'input',
  stop: ['.'],
  messages: [
    { role: 'system', parts: [{ type: 'text', content: 'be kind' }] },
    { role: 'user', id: 'm1', name: { last: 'Bell' }, parts: [{ type: 'text', content: 'I am Ann' }] },
    {
      role: 'user',
      parts: [
        { type: 'text', content: 'and I live here' },
        { type: 'blob', content: 'x' },
      ],
    },
    { role: 'assistant', parts: [{ type: 'tool_call', id: 'c1', arguments: { id: 7, who: 'Ann' } }] },
  ],
});

function redact(change: (payload: Conversation) => unknown, payload: Conversation = conversation()): unknown {
  const policy: RedactionPolicy = (given) => (change(given as Conversation) ?? given) as Record<string, unknown>;
  return redactStructured(payload, policy, new SecretScrubber());
}

describe('a policy may change what is said', () => {
  it('in place, and what was given stays as it was', () => {
    const given = conversation();
    const result = redact(({ messages }) => {
      messages[1]!.parts[0]!.content = '';
      messages[3]!.parts[0]!.arguments = {};
    }, given) as Conversation;
    expect(result.messages[1]!.parts).toEqual([{ type: 'text', content: '' }]);
    expect(result.messages[3]!.parts[0]!.arguments).toEqual({});
    expect(given).toEqual(conversation());
  });

  it('by new objects', () => {
    const result = redact(({ kind, messages }) => ({
      kind,
      messages: messages.map((message) => ({
        ...message,
        parts: message.parts.map((part) => ({ ...part, content: 'gone', arguments: 'gone' })),
      })),
    })) as Conversation;
    expect(JSON.stringify(result)).not.toContain('Ann');
  });

  it('and secrets are taken out afterwards, from arguments too', () => {
    const key = ['AKIA', 'QWERTYUIOPASDFG2'].join('');
    const result = redact(({ messages }) => void (messages[3]!.parts[0]!.arguments = { password: 'x', note: [key] }));
    expect((result as Conversation).messages[3]!.parts[0]!.arguments).toEqual({
      password: '[REDACTED]',
      note: ['[REDACTED]'],
    });
  });
});

describe('nothing is written if a policy', () => {
  const changes: Record<string, (payload: Conversation) => unknown> = {
    'removes a message': ({ messages }) => void messages.pop(),
    'adds a message': ({ messages }) => void messages.push({ role: 'user', parts: [] }),
    'adds messages where there were none': (payload) => void (payload['tools'] = [{ name: 'x' }]),
    'exchanges two messages of one role': ({ messages }) => void messages.splice(1, 2, messages[2]!, messages[1]!),
    'reverses them': ({ messages }) => void messages.reverse(),
    'changes a role': ({ messages }) => void (messages[0]!.role = 'user'),
    'removes a role': ({ messages }) => void Reflect.deleteProperty(messages[0]!, 'role'),
    'gives an id to a message without one': ({ messages }) => void (messages[0]!.id = 'm0'),
    'changes an id': ({ messages }) => void (messages[1]!.id = 'm2'),
    'changes the id of a call': ({ messages }) => void (messages[3]!.parts[0]!.id = 'c2'),
    'changes the kind of a part': ({ messages }) => void (messages[1]!.parts[0]!.type = 'blob'),
    'moves a part to another place': ({ messages }) => void messages[2]!.parts.reverse(),
    'changes the kind of the record': (payload) => void (payload['kind'] = 'output'),
    'puts a message where a text was': (payload) => void (payload['stop'] = [{ role: 'user' }]),
    'puts a text where a message was': ({ messages }) => void (messages[1] = 'gone' as never),
    'puts a text where the messages were': (payload) => void (payload.messages = 'gone' as never),
    'puts a message in a list': ({ messages }) => void (messages[1] = [messages[1]] as never),
    throws: () => {
      throw new Error('no');
    },
    'returns a promise': async (payload) => payload,
    'returns a promise that is rejected': async () => {
      throw new Error('no');
    },
    'returns a thenable': (payload) => void Reflect.set(payload, 'then', () => {}),
    'returns a list': ({ messages }) => messages,
    'changes a name of several members': ({ messages }) => void Object.assign(messages[1]!.name!, { last: 'Smith' }),
    'returns a text': () => 'gone',
    'returns what is cyclic': (payload) => void (payload['self'] = payload),
    'returns what is too deep': (payload) => void (payload['deep'] = nested(100_000)),
  };
  it.each(Object.entries(changes))('%s', (_, change) => {
    expect(() => redact(change)).toThrow(expect.objectContaining({ code: 'SPANLEDGER_REDACTION_STRUCTURE' }));
  });

  it('exchanges two messages that nothing tells apart but their place', () => {
    const say = (content: string): Message => ({ role: 'user', parts: [{ type: 'text', content }] });
    const payload: Conversation = { kind: 'input', messages: [say('no'), say('yes')] };
    expect(() => redact(({ messages }) => void messages.reverse(), payload)).toThrow('moved an element');
    expect(() => redact(({ messages }) => ({ kind: 'input', messages: messages.toReversed() }), payload)).toThrow(
      'moved an element',
    );
  });

  describe('in a message or call that is wrapped in an object', () => {
    interface Choice {
      message: {
        role: string;
        content: string;
        tool_calls: { id: string; function: { name: string; arguments: string } }[];
      };
    }
    const call = (id: string) => ({ id, function: { name: 'look_up', arguments: '{"who":"Ann"}' } });
    const choice = () => ({
      kind: 'output',
      messages: [{ message: { role: 'assistant', content: 'Ann', tool_calls: [call('c1'), call('c2')] } }],
    });
    /** Both are calls of one function, and it is told by nothing but identity. */
    function exchangeFunctions({ tool_calls: [first, second] }: Choice['message']): void {
      [first!.function, second!.function] = [second!.function, first!.function];
    }
    const act = (change: (message: Choice['message']) => unknown) =>
      redact(({ messages }) => void change((messages as never as [Choice])[0].message), choice() as never);

    it.each<[string, (message: Choice['message']) => unknown]>([
      ['changes its role', (message) => (message.role = 'system')],
      ['removes its role', (message) => Reflect.deleteProperty(message, 'role')],
      ['changes the id of a call', ({ tool_calls: [first] }) => (first!.id = 'c3')],
      ['changes what was called', ({ tool_calls: [first] }) => (first!.function.name = 'delete')],
      ['removes what was called', ({ tool_calls: [first] }) => Reflect.deleteProperty(first!, 'function')],
      ['exchanges calls', ({ tool_calls: calls }) => calls.reverse()],
      ['exchanges what was called', exchangeFunctions],
      ['removes a call', ({ tool_calls: calls }) => calls.pop()],
    ])('%s', (_, change) => {
      expect(() => act(change)).toThrow(expect.objectContaining({ code: 'SPANLEDGER_REDACTION_STRUCTURE' }));
    });

    it('and what is said in it may go', () => {
      const result = act((message) => {
        message.content = '';
        message.tool_calls[0]!.function.arguments = '{}';
        message.tool_calls[1]!.function.arguments = '{}';
      });
      expect(JSON.stringify(result)).not.toContain('Ann');
    });
  });

  describe('in the shapes of other vendors', () => {
    const gemini = () => ({
      content: { role: 'model', parts: [{ functionCall: { name: 'look_up', args: { who: 'Ann' } } }] },
      finishReason: 'STOP',
    });
    const bedrock = () => ({ content: [{ toolUse: { toolUseId: 't1', name: 'look_up', input: { who: 'Ann' } } }] });
    const said = () => ({ kind: 'output', messages: [gemini(), bedrock()] });
    type Said = [ReturnType<typeof gemini>, ReturnType<typeof bedrock>];
    const act = (change: (messages: Said) => unknown) =>
      redact(({ messages }) => void change(messages as never), said() as never);

    it.each<[string, (messages: Said) => unknown]>([
      ['changes a role', ([{ content }]) => (content.role = 'user')],
      ['changes what was called', ([{ content }]) => (content.parts[0]!.functionCall.name = 'delete')],
      ['changes how it ended', ([message]) => (message.finishReason = 'SAFETY')],
      ['changes the id of a call', ([, { content }]) => (content[0]!.toolUse.toolUseId = 't2')],
      ['removes a call', ([, { content }]) => Reflect.deleteProperty(content[0]!, 'toolUse')],
      ['puts a text where a message was', ([message]) => Object.assign(message, { content: 'gone' })],
    ])('%s', (_, change) => {
      expect(() => act(change)).toThrow(expect.objectContaining({ code: 'SPANLEDGER_REDACTION_STRUCTURE' }));
    });

    it('and what is said in it may go', () => {
      const result = act(([{ content }, message]) => {
        content.parts[0]!.functionCall.args.who = '';
        message.content[0]!.toolUse.input = { who: '' };
      });
      expect(JSON.stringify(result)).not.toContain('Ann');
    });
  });

  it.each(['tool_call_id', 'tool_use_id', 'toolCallId', 'toolUseId'])(
    'changes a %s, by which answers belong to calls',
    (key) => {
      const payload = { kind: 'input', messages: [{ role: 'tool', [key]: 'c1', parts: [] }] } as Conversation;
      const change = ({ messages }: Conversation): unknown => Object.assign(messages[0]!, { [key]: 'c2' }) && undefined;
      expect(() => redact(change, payload)).toThrow(`${key} was changed`);
    },
  );

  it('and an id that is a secret is a change as well', () => {
    const payload = conversation();
    payload.messages[1]!.id = ['AKIA', 'QWERTYUIOPASDFG2'].join('');
    expect(() => redact(() => undefined, payload)).toThrow(
      expect.objectContaining({ code: 'SPANLEDGER_REDACTION_STRUCTURE' }),
    );
  });
});

describe('the copy of a payload', () => {
  class Person {
    name = 'Ann';
    #secret = 'x';
    get length(): number {
      return this.#secret.length;
    }
  }

  it.each<[string, unknown, unknown]>([
    ['Map', new Map<unknown, unknown>([[1, new Map([['a', 'b']])]]), { '1': { a: 'b' } }],
    ['Set', new Set(['a', new Set([1])]), ['a', [1]]],
    ['Date', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['URL', new URL('http://a/b'), 'http://a/b'],
    ['BigInt', [2n ** 70n], ['1180591620717411303424']],
    ['large integer', 2 ** 60, '1152921504606846976'],
    ['NaN and infinities', [Number.NaN, -Infinity, -0], ['NaN', '-Infinity', 0]],
    ['Buffer', Buffer.from('hi'), 'aGk='],
    ['typed array, in part', new Uint8Array([1, 2, 3, 4]).subarray(1, 3), 'AgM='],
    ['ArrayBuffer', new Uint8Array([104, 105]).buffer, 'aGk='],
    ['class instance', new Person(), { name: 'Ann' }],
    [
      'getter',
      {
        get a() {
          return 'b';
        },
      },
      { a: 'b' },
    ],
    [
      'Error',
      Object.assign(new TypeError('no'), { code: 'E' }, { cause: 'x' }),
      { name: 'TypeError', message: 'no', code: 'E', cause: 'x' },
    ],
    ['RegExp', [/a"b/u], ['/a"b/u']],
    ['boxed text, number and BigInt', [new String('ab'), new Number(1), Object(2n)], ['ab', 1, '2']],
    ['toJSON of a Map', Object.assign(new Map([['a', 'b']]), { toJSON: () => 'm' }), 'm'],
    ['toJSON', { toJSON: () => ({ a: new Set([1]) }) }, { a: [1] }],
    [
      'null, undefined, function, symbol',
      { a: null, b: undefined, c: () => 1, d: Symbol('x'), e: [null, undefined] },
      { e: ['', ''] },
    ],
    ['lone surrogate', 'a\ud800', 'a\ufffd'],
    ['holes', Object.assign(Array.from({ length: 0 }), { 1: 1 }), ['', 1]],
    ['Object.create(null)', Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  ])('of a %s', (_, value, expected) => {
    expect(copyPayload(value)).toEqual(expected);
  });

  it('takes no BigInt whose digits would keep the process busy', () => {
    expect(copyPayload({ n: 1n << 1024n })).toEqual({ n: `${1n << 1024n}` });
    for (const n of [(1n << 1024n) + 1n, -(1n << 20_000_000n)]) {
      expect(() => copyPayload({ n })).toThrow(expect.objectContaining({ code: 'SPANLEDGER_PAYLOAD' }));
    }
  });

  it('reads no more of an endless Map or Set than it may have', () => {
    let read = 0;
    const text = 'x'.repeat(1024 * 1024);
    function* many<Item>(item: Item): Generator<Item> {
      while (read < 100) yield (((read += 1), item));
    }
    const endless = (container: object, item: unknown) =>
      Object.defineProperty(container, Symbol.iterator, { value: () => many(item) });
    for (const value of [endless(new Set(), text), endless(new Map(), ['a', text])]) {
      read = 0;
      expect(() => copyPayload({ value })).toThrow('too large');
      expect(read).toBeLessThan(40);
    }
  });

  it('takes no key __proto__', () => {
    const copy = copyPayload(JSON.parse('{"__proto__":{"polluted":true},"a":1}'));
    expect(Object.getOwnPropertyNames(copy)).toEqual(['a']);
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
    expect(Object.keys(copyPayload(new Map([['__proto__', { polluted: true }]])) as object)).toEqual([]);
  });

  it('may share, and then has it twice', () => {
    const shared = { a: 1 };
    const copy = copyPayload({ x: shared, y: shared }) as Record<string, object>;
    expect(copy['x']).toEqual(copy['y']);
    expect(copy['x']).not.toBe(copy['y']);
  });

  const cyclicMap = new Map<string, unknown>();
  cyclicMap.set('self', [cyclicMap]);
  const endless = { toJSON: (): unknown => ({ again: endless }) };
  it.each<[string, unknown]>([
    ['a cycle through a Map', cyclicMap],
    ['a toJSON without end', endless],
    ['100,000 levels', nested(100_000)],
    [
      'a getter that throws',
      {
        get a(): never {
          throw new Error('no');
        },
      },
    ],
    ['a revoked proxy', revoked()],
  ])('of %s is a typed error', (_, value) => {
    expect(() => copyPayload({ value })).toThrow(expect.objectContaining({ code: 'SPANLEDGER_PAYLOAD' }));
  });
});

function nested(levels: number): unknown {
  let value: unknown = 'bottom';
  for (let i = 0; i < levels; i += 1) value = [value];
  return value;
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
