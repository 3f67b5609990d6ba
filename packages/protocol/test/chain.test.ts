import { createHash } from 'node:crypto';
import { assertLedger, assertValidEvents } from '@spanledger/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkChain, createChain, eventId, messageId, parseEvent, seal } from '../src/index.ts';
import type { AuditEventDraft, SealedEvent } from '../src/index.ts';

const RUN_ID = '0198f3a0-7c1e-7d42-9b1a-3f2e5d6c7b8a';
const draft: AuditEventDraft = { ts: '2026-01-02T03:04:05.000006Z', event: 'tool_exec', producer: 'agent' };
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const bytesOf = (events: readonly SealedEvent[]): Uint8Array[] => events.map(({ bytes }) => bytes);

function sealRun(fields: readonly Record<string, unknown>[]): SealedEvent[] {
  const chain = createChain(RUN_ID);
  return fields.map((more) =>
    seal(chain, { ...draft, fields: more as AuditEventDraft['fields'] }, 'auditEvent', sha256),
  );
}

const anyFields = fc.dictionary(
  fc.oneof(fc.string({ unit: 'binary' }), fc.constant('__proto__')),
  fc.oneof(fc.string({ unit: 'binary' }), fc.boolean(), fc.integer(), fc.array(fc.string())),
  { minKeys: 1, maxKeys: 4 },
);
const anyRun = fc.array(anyFields, { minLength: 1, maxLength: 8 }).map(sealRun);

describe('sealing', () => {
  it('makes a chain of valid events from any fields, that two implementations accept', () => {
    fc.assert(
      fc.property(anyRun, (run) => {
        assertValidEvents(run);
        expect(assertLedger(run)).toMatchObject([{ runId: RUN_ID, events: run.length }]);
        expect(checkChain(bytesOf(run), sha256)).toEqual({ status: 'ok', count: run.length, head: run.at(-1)!.hash });
        expect(new Set(run.map(messageId)).size).toBe(run.length);
        expect(run.map(eventId)).toEqual(run.map((_, index) => `${RUN_ID}:${index + 1}`));
      }),
    );
  });

  it('I1: what happens to the draft later is not seen', () => {
    const fields = { list: [1] };
    const event = seal(createChain(RUN_ID), { ...draft, fields }, 'auditEvent', sha256);
    fields.list.push(2);
    expect(parseEvent(event.bytes)?.fields).toEqual({ list: [1] });
  });

  it('refuses a draft without a time, and gives it no number', () => {
    const chain = createChain(RUN_ID);
    const { ts: _, ...timeless } = draft;
    const sealTimeless = (): SealedEvent => seal(chain, timeless as AuditEventDraft, 'auditEvent', sha256);
    expect(sealTimeless).toThrow(expect.objectContaining({ code: 'SPANLEDGER_EVENT' }));
    expect(chain.seq).toBe(0);
  });

  it('I6: no property of a draft takes the place of a structural one, or adds one', () => {
    const forged = {
      run_id: 'x',
      seq: 99,
      prev_hash: 'f',
      correlation_id: 'x',
      schema_version: '9',
      sig: 's',
      other: 1,
      ['__proto__']: { seq: 98 },
    };
    const event = seal(createChain(RUN_ID), { ...draft, ...forged }, 'auditEvent', sha256);
    expect(assertValidEvents([event])).toEqual([
      { ...draft, schema_version: '1.0', run_id: RUN_ID, seq: 1, prev_hash: '0'.repeat(64), correlation_id: RUN_ID },
    ]);
  });

  it('I3: gives no number to what cannot be serialised', () => {
    const cycle: Record<string, unknown> = {};
    cycle['self'] = cycle;
    const thrower = Object.defineProperty({}, 'x', {
      enumerable: true,
      get() {
        throw new Error('getter');
      },
    });
    const toJson = {
      toJSON() {
        throw new Error('toJSON');
      },
    };
    const chain = createChain(RUN_ID);
    for (const fields of [cycle, { big: 1n }, thrower, toJson]) {
      const unusable = { ...draft, fields } as unknown as AuditEventDraft;
      expect(() => seal(chain, unusable, 'auditEvent', sha256)).toThrow(/./);
      expect(chain).toEqual(createChain(RUN_ID));
    }
    expect(seal(chain, draft, 'auditEvent', sha256).seq).toBe(1);
  });

  it('I3: gives no number when the hash fails', () => {
    const chain = createChain(RUN_ID);
    const failing = (): string => {
      throw new Error('no hash');
    };
    expect(() => seal(chain, draft, 'auditEvent', failing)).toThrow('no hash');
    expect(chain).toEqual(createChain(RUN_ID));
  });

  it('I3: gives no number twice, not even when reading the draft seals something', () => {
    const chain = createChain(RUN_ID);
    const events: SealedEvent[] = [];
    const fields = {
      get x() {
        events.push(seal(chain, draft, 'auditEvent', sha256));
        return 1;
      },
    };
    const code = expect.objectContaining({ code: 'SPANLEDGER_EVENT' });
    expect(() => seal(chain, { ...draft, fields }, 'auditEvent', sha256)).toThrow(code);
    events.push(seal(chain, draft, 'auditEvent', sha256));
    expect(events.map(({ seq }) => seq)).toEqual([1, 2]);
    assertLedger(events);
  });
});

describe('checkChain finds', () => {
  it('any change of any byte but of the last event', () => {
    fc.assert(
      fc.property(anyRun, fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), (run, which, where, change) => {
        fc.pre(run.length > 1);
        const events = bytesOf(run).map((bytes) => bytes.slice());
        const index = which % (events.length - 1);
        const bytes = events[index]!;
        bytes[where % bytes.length]! ^= change;
        const result = checkChain(events, sha256);
        expect(result).toMatchObject({ status: 'broken' });
        if (result.status === 'broken') expect([index, index + 1, 1]).toContain(result.index);
      }),
      { numRuns: 2_000 },
    );
  });

  it('any order but the right one', () => {
    const orders = anyRun.chain((run) =>
      fc.tuple(fc.constant(run), fc.shuffledSubarray(run, { minLength: run.length })),
    );
    fc.assert(
      fc.property(orders, ([run, order]) => {
        const first = order.findIndex((event, index) => event !== run[index]);
        const result = checkChain(bytesOf(order), sha256);
        if (first === -1) expect(result.status).toBe('ok');
        else expect(result).toMatchObject({ status: 'broken', index: first });
      }),
    );
  });

  it('any drop but at the end', () => {
    fc.assert(
      fc.property(anyRun, fc.nat(), (run, which) => {
        fc.pre(run.length > 1);
        const index = which % (run.length - 1);
        expect(checkChain(bytesOf(run.toSpliced(index, 1)), sha256)).toMatchObject({ status: 'broken', index });
      }),
    );
  });

  it('any repetition', () => {
    fc.assert(
      fc.property(anyRun, fc.nat(), (run, which) => {
        const index = which % run.length;
        const repeated = run.toSpliced(index, 0, run[index]!);
        expect(checkChain(bytesOf(repeated), sha256)).toMatchObject({ status: 'broken', index: index + 1 });
      }),
    );
  });
});

describe('parseEvent', () => {
  const event = sealRun([{ a: 1 }])[0]!;

  it('never throws, whatever the bytes', () => {
    const json = fc.json().map((text) => new TextEncoder().encode(text));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), json), (bytes) => {
        expect(() => parseEvent(bytes)).not.toThrow();
      }),
      { numRuns: 5_000 },
    );
  });

  it('never throws on a piece of an event, and takes none for the whole', () => {
    for (let end = 0; end < event.bytes.length; end += 1)
      expect(parseEvent(event.bytes.subarray(0, end))).toBeUndefined();
    expect(parseEvent(event.bytes)).toMatchObject({ run_id: RUN_ID, seq: 1, fields: { a: 1 } });
  });

  it.each([
    { ts: 1 },
    { event: null },
    { producer: {} },
    { run_id: undefined },
    { seq: 0 },
    { seq: 1.5 },
    { seq: '1' },
    { seq: 2 ** 53 },
    { prev_hash: '0' },
    { prev_hash: undefined },
  ])('is undefined with %j', (change) => {
    const value = { ...(parseEvent(event.bytes) as object), ...change };
    expect(parseEvent(new TextEncoder().encode(JSON.stringify(value)))).toBeUndefined();
  });

  it('refuses a byte order mark and bad UTF-8', () => {
    expect(parseEvent(Uint8Array.from([0xef, 0xbb, 0xbf, ...event.bytes]))).toBeUndefined();
    const bad = event.bytes.slice();
    bad[bad.indexOf(0x61)] = 0xff;
    expect(parseEvent(bad)).toBeUndefined();
  });

  it('takes nothing from __proto__', () => {
    const structure = JSON.stringify(parseEvent(event.bytes));
    const parsed = parseEvent(new TextEncoder().encode(`{"__proto__":${structure}}`));
    expect(parsed).toBeUndefined();
    expect(({} as Record<string, unknown>)['run_id']).toBeUndefined();
  });
});
