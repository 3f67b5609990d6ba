import { readTranscript } from '@spanledger/protocol';
import type { AuditEvent, TranscriptRecord } from '@spanledger/protocol';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { audit, createAuditPipeline, getPipeline, memorySink, registerPipeline } from '../src/index.ts';
import type { MemorySink, RedactionPolicy } from '../src/index.ts';
import { eventsOf, sha256 } from './support.ts';

type Message = Record<string, unknown>;
type Content = Message[] & { 0: Message & { parts: Message[] }; 1: Message & { parts: Message[] } };

const KEY = { kind: 'input', taskId: 't', sessionId: 's', requestId: 'r', seq: 7n } as const;
const SECRET = ['AKIA', 'QWERTYUIOPASDFG2'].join('');
const conversation = (): Message[] => [
  { role: 'system', parts: [{ type: 'text', content: 'be kind' }] },
  {
    role: 'user',
    id: 'm1',
    parts: [
      { type: 'text', content: 'I am Ann' },
      { type: 'text', content: 'of Bern' },
    ],
  },
  { role: 'assistant', parts: [{ type: 'tool_call', id: 'c1', arguments: { who: 'Ann', list: [{ deep: ['Ann'] }] } }] },
  { role: 'tool', parts: [{ type: 'tool_call_response', id: 'c1', result: 'Ann is here' }] },
];

let unregister = (): void => {};
afterEach(end);

async function end(): Promise<void> {
  const pipeline = getPipeline();
  unregister();
  unregister = () => {};
  await pipeline?.shutdown(2_000);
}

function begin(policy?: RedactionPolicy): MemorySink {
  const sink = memorySink({ maxTranscriptBytes: 100_000_000 });
  unregister = registerPipeline(createAuditPipeline({ producer: 'svc', sink, redaction: { policy } }));
  return sink;
}

const recordedIn = (sink: MemorySink): AuditEvent =>
  eventsOf(sink).find(({ event }) => event === 'transcript_recorded')!;

/** What is stored of a content that is given like this. */
async function store(
  content: unknown,
  policy?: RedactionPolicy,
  options: object = {},
): Promise<TranscriptRecord['content']> {
  const sink = begin(policy);
  await audit.writeTranscript({ ...KEY, ...options, content: content as string });
  const event = recordedIn(sink);
  const { digest } = event.fields!['transcript'] as { digest: string };
  const messages = sink.transcripts.map(({ bytes }) => bytes);
  const reading = readTranscript(messages, digest, sha256);
  if (reading.status !== 'ok') throw new Error(reading.status);
  expect(reading.record).toMatchObject({ ...KEY, ...options });
  return reading.record.content;
}

/** How it is refused, with no trace of it. */
async function refused(options: object, policy?: RedactionPolicy): Promise<unknown> {
  const sink = begin(policy);
  const error: unknown = await audit.writeTranscript({ ...KEY, content: '', ...options }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  await getPipeline()?.flush();
  expect([sink.records, sink.transcripts]).toEqual([[], []]);
  return error;
}

/** A policy for contents like `conversation()`; what is an event it leaves as it is. */
const changing =
  (change: (content: Content, payload: Record<string, unknown>) => unknown): RedactionPolicy =>
  (payload) =>
    'content' in payload
      ? ((change(payload['content'] as Content, payload) ?? payload) as Record<string, unknown>)
      : payload;

describe('a policy', () => {
  it('is given a copy with the key of the transcript, and what it leaves is stored, as messages or as a text', async () => {
    let seen: unknown;
    const policy = changing((content, payload) => {
      seen = structuredClone(payload);
      content[1].parts[0]!['content'] = '';
    });
    const given = conversation();
    const stored = (await store(given, policy)) as Content;
    expect(seen).toEqual({
      kind: 'input',
      task_id: 't',
      session_id: 's',
      request_id: 'r',
      seq: '7',
      content: conversation(),
    });
    expect(stored[1].parts[0]).toEqual({ type: 'text', content: '' });
    expect(given).toEqual(conversation());
    await end();
    expect(await store('I am Ann', (payload) => ({ ...payload, content: 'I am …' }))).toBe('I am …');
  });

  it('of an allow-list for events leaves an event its digest, and fails for a content that it does not know', async () => {
    const allowed: RedactionPolicy = (payload) => ('amount' in payload ? { amount: payload['amount'] } : {});
    expect(await refused({ content: 'x' }, allowed)).toMatchObject({ code: 'SPANLEDGER_REDACTION_STRUCTURE' });
    await end();
    const forEvents: RedactionPolicy = (payload) => ('content' in payload ? payload : allowed(payload));
    expect(await store('x', forEvents)).toBe('x');
  });

  const changes: Record<string, RedactionPolicy> = {
    'removes a message': changing((content) => void content.pop()),
    'adds a message': changing((content) => void content.push({ role: 'user', parts: [] })),
    'moves a message': changing((content) => void content.reverse()),
    'puts one in place of another': changing((content) => void (content[1] = content[0])),
    'moves a part to another message': changing(([one, two]) => {
      [one['parts'], two['parts']] = [two['parts'], one['parts']] as [Message[], Message[]];
    }),
    'moves the parts of a message': changing(([, two]) => void two.parts.reverse()),
    'exchanges parts of two messages': changing(([one, two]) => {
      const [first, second] = [one, two].map(({ parts }) => parts);
      [first![0], second![0]] = [second![0]!, first![0]!];
    }),
    'changes an id': changing((content) => void (content[1]['id'] = 'm2')),
    'takes an id away': changing((content) => void Reflect.deleteProperty(content[1], 'id')),
    'changes a role': changing((content) => void (content[0]['role'] = 'user')),
    'changes the kind of a part': changing((content) => void (content[1].parts[0]!['type'] = 'blob')),
    'changes the kind': changing((_, payload) => void (payload['kind'] = 'output')),
    'changes the task': changing((_, payload) => void (payload['task_id'] = 'other')),
    'takes the session away': changing((_, payload) => void Reflect.deleteProperty(payload, 'session_id')),
    'changes the request': changing((_, payload) => void (payload['request_id'] = 'other')),
    'changes the number': changing((_, payload) => void (payload['seq'] = '8')),
    'takes the content away': changing((_, payload) => void Reflect.deleteProperty(payload, 'content')),
    'puts a text in place of the messages': changing((_, payload) => void (payload['content'] = 'gone')),
    'returns a cycle': changing((content, payload) => void (payload['content'] = [...content, payload])),
    'returns a promise': (async (payload: object) => payload) as unknown as RedactionPolicy,
    throws: () => {
      throw new Error('no');
    },
  };
  it.each(Object.entries(changes))('that %s is refused, and nothing is written', async (_, policy) => {
    const given = conversation();
    expect(await refused({ content: given }, policy)).toMatchObject({ code: 'SPANLEDGER_REDACTION_STRUCTURE' });
    expect(given).toEqual(conversation());
  });
});

/** One careless step of a policy: it goes down some members of what it has, and does something there. */
const step = fc.record({
  path: fc.array(fc.nat(5), { minLength: 1, maxLength: 6 }),
  act: fc.constantFrom('set', 'delete', 'reverse', 'pop', 'push', 'swap', 'clear', 'alias', 'wrap'),
  value: fc.oneof(
    fc.string(),
    fc.integer(),
    fc.constant(null),
    fc.constant([]),
    fc.dictionary(fc.string(), fc.string()),
  ),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function perform(payload: Record<string, unknown>, { path, act, value }: Step): void {
  let container: Record<string, unknown> = payload;
  let key = 'content';
  for (const turn of path) {
    const next = container[key];
    if (typeof next !== 'object' || next === null || Object.keys(next).length === 0) break;
    container = next as Record<string, unknown>;
    const keys = Object.keys(container);
    key = keys[turn % keys.length]!;
  }
  const here = container[key];
  const list = Array.isArray(here) ? (here as unknown[]) : Array.isArray(container) ? (container as unknown[]) : [];
  const keys = Object.keys(container);
  const other = keys[(path[0]! + 1) % keys.length]!;
  if (act === 'set') container[key] = value;
  if (act === 'delete') Reflect.deleteProperty(container, key);
  if (act === 'reverse') list.reverse();
  if (act === 'pop') list.pop();
  if (act === 'push') list.push(value);
  if (act === 'swap') [container[key], container[other]] = [container[other], container[key]];
  if (act === 'clear') for (const name of keys) container[name] = '';
  if (act === 'alias') container[key] = container;
  if (act === 'wrap') container[key] = { was: here };
}

/** What nobody may change: who says how much, in which order and in answer to what. */
function skeleton(content: unknown): unknown {
  return (content as Message[]).map(({ role, id, parts }) => ({
    role,
    id,
    parts: (parts as Message[]).map((part) => ({ type: part['type'], id: part['id'] })),
  }));
}

it('a policy that mutates nested maps and arrays in place never corrupts ids, roles, kinds or order', async () => {
  let written = 0;
  const check = fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (steps) => {
    const sink = begin((payload) => {
      if ('content' in payload) for (const one of steps) perform(payload, one);
      return payload;
    });
    const given = conversation();
    try {
      await audit.writeTranscript({ ...KEY, content: given });
      const event = recordedIn(sink);
      const { digest } = event.fields!['transcript'] as { digest: string };
      const reading = readTranscript(
        sink.transcripts.map(({ bytes }) => bytes),
        digest,
        sha256,
      );
      expect(reading).toMatchObject({ status: 'ok', record: KEY });
      if (reading.status === 'ok') expect(skeleton(reading.record.content)).toEqual(skeleton(conversation()));
      written += 1;
    } catch (error) {
      expect(error).toMatchObject({ code: 'SPANLEDGER_REDACTION_STRUCTURE' });
      await getPipeline()?.flush();
      expect([sink.records, sink.transcripts]).toEqual([[], []]);
    } finally {
      await end();
    }
    expect(given).toEqual(conversation());
  });
  await fc.assert(check, { numRuns: 300 });
  // Neither all are refused nor none.
  expect(written).toBeGreaterThan(20);
  expect(written).toBeLessThan(290);
});

describe('a summary', () => {
  const content = { events: 3, counts: { a: 2, b: 1 }, firstEventId: 'x:1', lastEventId: 'x:3' };
  type Summary = { counts: { name: string; count: number }[]; firstEventId?: string };
  const summing = (change: (summary: Summary) => unknown): RedactionPolicy =>
    changing((given) => void change(given as unknown as Summary));

  it.each<[string, RedactionPolicy | undefined, object]>([
    ['an id is changed', summing((summary) => (summary.firstEventId = 'y:1')), {}],
    ['an id is taken away', summing((summary) => Reflect.deleteProperty(summary, 'firstEventId')), {}],
    ['an id is a secret', undefined, { lastEventId: SECRET }],
    ['events change their names', summing(({ counts }) => (counts[0]!.name = 'c')), {}],
    ['events change places', summing(({ counts }) => counts.reverse()), {}],
    ['an event is taken away', summing(({ counts }) => counts.pop()), {}],
    ['its counts are', summing((summary) => Reflect.deleteProperty(summary, 'counts')), {}],
    ['it is', changing((_, payload) => void (payload['content'] = '')), {}],
  ])('is refused if %s', async (_, policy, change) => {
    const error = await refused({ kind: 'event_summary', content: { ...content, ...change } }, policy);
    expect(error).toMatchObject({ code: 'SPANLEDGER_REDACTION_STRUCTURE' });
  });

  it('that cannot be read is a typed error', async () => {
    const unreadable = Object.defineProperty({ events: 1 }, 'counts', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    const error = await refused({ kind: 'event_summary', content: unreadable });
    expect(error).toMatchObject({ code: 'SPANLEDGER_PAYLOAD' });
  });

  it('may count in a Map', async () => {
    const counted = { events: 2, counts: new Map([['llm_call', 2]]) };
    const kind = 'event_summary';
    expect(await store(counted, undefined, { kind })).toEqual({ events: 2, counts: { llm_call: 2 } });
  });
});

describe('the values of messages', () => {
  class Person {
    name = 'Ann';
    #hidden = 'x';
    get size(): number {
      return this.#hidden.length;
    }
  }
  const deep = (levels: number): unknown => {
    let value: unknown = 'bottom';
    for (let i = 0; i < levels; i += 1) value = [value];
    return value;
  };

  it.each<[string, unknown, unknown]>([
    ['Map', new Map<unknown, unknown>([['a', new Map([[1, new Set(['b'])]])]]), { a: { 1: ['b'] } }],
    ['Set', new Set([1, 'a']), [1, 'a']],
    ['Date', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['BigInt past 2^53', 2n ** 64n + 1n, '18446744073709551617'],
    ['Buffer', Buffer.from('hi'), 'aGk='],
    ['typed array', new Float32Array([1]), 'AACAPw=='],
    ['class instance', new Person(), { name: 'Ann' }],
    ['getter', Object.defineProperty({}, 'a', { get: () => 'b', enumerable: true }), { a: 'b' }],
    ['toJSON', { toJSON: () => ({ a: new Map([['b', 1]]) }) }, { a: { b: 1 } }],
    ['200 levels', deep(200), deep(200)],
    ['__proto__', JSON.parse('{"__proto__":{"polluted":true},"a":1}'), { a: 1 }],
  ])('%s: stored like this, with a policy and without', async (_, value, expected) => {
    const given = [{ role: 'user', content: value }];
    expect(await store(given)).toEqual([{ role: 'user', content: expected }]);
    await end();
    expect(await store(given, (payload) => payload)).toEqual([{ role: 'user', content: expected }]);
    expect(({} as { polluted?: true }).polluted).toBeUndefined();
  });

  const cyclic: Message = { role: 'user' };
  cyclic['self'] = [cyclic];
  const endless = { toJSON: (): unknown => ({ again: endless }) };
  let laughs: unknown[] = ['ha'];
  for (let i = 0; i < 60; i += 1) laughs = [laughs, laughs];
  const unreadable = Object.defineProperty({}, 'a', {
    enumerable: true,
    get: () => {
      throw new Error('no');
    },
  });
  it.each<[string, unknown]>([
    ['cycle', [cyclic]],
    ['cycle through a Map', [{ role: 'user', content: new Map([['self', cyclic]]) }]],
    ['toJSON without end', [endless]],
    ['100,000 levels', [{ role: 'user', content: deep(100_000) }]],
    ['lines that stand for 2^60 others', [{ role: 'user', content: laughs }]],
    ['getter that throws', [unreadable]],
  ])('%s: a typed error, and nothing is written', async (_, content) => {
    expect(await refused({ content })).toMatchObject({ code: 'SPANLEDGER_PAYLOAD' });
  });

  it('are read and never changed: a frozen content is as good as any', async () => {
    const freeze = (value: unknown): unknown => {
      if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(freeze);
      return value;
    };
    const policy = changing((content) => void (content[1].parts[0]!['content'] = 'changed'));
    expect(((await store(freeze(conversation()), policy)) as Content)[1].parts[0]!['content']).toBe('changed');
  });

  it('are messages, or else it is no content', async () => {
    for (const content of [[1], ['a'], [[{}]], { role: 'user' }, new Map([['role', 'user']]), 1, null, undefined]) {
      expect(await refused({ content })).toMatchObject({
        code: expect.stringMatching(/^SPANLEDGER_(TRANSCRIPT|REDACTION_STRUCTURE)$/),
      });
      await end();
    }
  });
});

describe('secrets', () => {
  it('are taken out of texts and of messages, whatever the policy put there', async () => {
    expect(await store(`use ${SECRET} there`)).toBe('use [REDACTED] there');
    await end();
    const content = [{ role: 'user', parts: [{ type: 'text', content: SECRET, args: { password: 'hunter2' } }] }];
    expect(await store(content)).toEqual([
      { role: 'user', parts: [{ type: 'text', content: '[REDACTED]', args: { password: '[REDACTED]' } }] },
    ]);
    await end();
    expect(await store('x', (payload) => ({ ...payload, ...('content' in payload && { content: SECRET }) }))).toBe(
      '[REDACTED]',
    );
  });

  it.each(['taskId', 'sessionId', 'requestId'])(
    'in %s refuse the transcript: nothing is stored by such a name',
    async (name) => {
      const error = await refused({ content: 'x', [name]: SECRET });
      expect(error).toMatchObject({ code: 'SPANLEDGER_REDACTION_STRUCTURE' });
      expect(String(error)).not.toContain(SECRET);
    },
  );

  it('are not seen in the names of events that a summary counts', async () => {
    const content = { events: 3, counts: { rotate_secret: 2, issue_password: 1 }, lastEventId: 'x:3' };
    expect(await store(content, (payload) => payload, { kind: 'event_summary' })).toEqual(content);
  });
});
