import { isDeepStrictEqual } from 'node:util';
import { assertLedger, assertValidEvents } from '@spanledger/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  UnsignedEventError,
  createChain,
  parseEvent,
  readJwks,
  readSignature,
  seal,
  signedBytes,
} from '../src/index.ts';
import type { AuditEvent, AuditEventDraft, EnvelopeForm, EventSigner, SealedEvent } from '../src/index.ts';
import { makeKey, sha256, verifies } from './ed25519.ts';
import { forgeAccepts } from './forge-check.ts';

const RUN_ID = '01890a5d-ac96-774b-bcce-b302099a8057';
const { signer, jwk } = makeKey('key-1');
const KEYS = readJwks({ keys: [jwk, makeKey('key-2').jwk] });
const FORMS: EnvelopeForm[] = ['spanledger', 'forge-1.0'];
const DRAFT: AuditEventDraft = { ts: '2026-01-02T03:04:05.000006Z', event: 'tool_exec', producer: 'planner' };

const sealOne = (
  draft: AuditEventDraft,
  envelope: EnvelopeForm = 'spanledger',
  by: EventSigner = signer,
): SealedEvent => seal(createChain(RUN_ID), draft, 'auditEvent', sha256, { signer: by, envelope });

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
const json = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    text,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(text, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;
const draft = fc.record(
  {
    ts: fc.constant(DRAFT.ts),
    event: fc.constantFrom('tool_exec', 'audit_loss', 'llm_call'),
    producer: text,
    session_id: text,
    attempt_epoch: fc.integer({ min: 1 }),
    caller_verified: fc.constant(true as const),
    duration_ms: fc.nat(),
    model: text,
    fields: fc.dictionary(text, json, { minKeys: 1, maxKeys: 5, noNullPrototype: true }),
  },
  { requiredKeys: ['ts', 'event', 'producer'] },
) as fc.Arbitrary<AuditEventDraft>;

describe.each(FORMS)('signing in the form %s', (form) => {
  it('any event signed and read back verifies', () => {
    fc.assert(
      fc.property(draft, (given) => {
        const { bytes } = sealOne(given, form);
        const event = parseEvent(bytes)!;
        expect(verifies(event, KEYS)).toBe(true);
        // As somebody reads it who has only a JSON parser.
        expect(verifies(JSON.parse(Buffer.from(bytes).toString()), KEYS)).toBe(true);
        expect(event).toMatchObject({ run_id: RUN_ID, seq: 1, producer: given.producer });
      }),
    );
  });

  it('any changed byte does not, unless it is another way to write the same event', () => {
    fc.assert(
      fc.property(draft, fc.nat(), fc.integer({ min: 1, max: 255 }), (given, at, change) => {
        const { bytes } = sealOne(given, form);
        const changed = Uint8Array.from(bytes);
        changed[at % bytes.length]! ^= change;
        const event = parseEvent(changed);
        if (event === undefined || isDeepStrictEqual(event, parseEvent(bytes))) return;
        expect(verifies(event, KEYS)).toBe(false);
      }),
      { numRuns: 1_000 },
    );
  });

  it('covers kid, sigp, prev_hash and every other member, and is the last one', () => {
    const chain = createChain(RUN_ID);
    const options = { signer, envelope: form };
    const fields = { amount: 1 };
    const first = seal(chain, { ...DRAFT, fields, trace_sampled: true }, 'auditEvent', sha256, options);
    const second = seal(chain, { ...DRAFT, fields, trace_sampled: true }, 'auditEvent', sha256, options);
    const event = JSON.parse(Buffer.from(second.bytes).toString()) as Record<string, unknown>;
    expect(Object.keys(event).slice(-3)).toEqual(['kid', 'sigp', 'sig']);
    for (const name of Object.keys(event)) {
      const { [name]: _, ...rest } = event;
      expect(verifies(rest as never, KEYS), `without ${name}`).toBe(false);
      expect(verifies({ ...event, [name]: name === 'kid' ? 'key-2' : 'x' } as never, KEYS), `other ${name}`).toBe(
        false,
      );
    }
    expect(assertLedger([first, second])).toMatchObject([{ events: 2, contiguous: true, chained: true }]);
    assertValidEvents([first, second]);
  });
});

it('the form forge-1.0, and no other, verifies as Forge does it', () => {
  fc.assert(
    fc.property(draft, (given) => {
      expect(forgeAccepts(sealOne(given, 'forge-1.0').bytes, [jwk])).toBe(true);
      expect(forgeAccepts(sealOne(given, 'spanledger').bytes, [jwk])).toBe(false);
    }),
  );
});

describe('a signer that fails', () => {
  const failures: [string, EventSigner][] = [
    ['throws', { kid: 'k', sign: () => fail() }],
    ['returns nothing', { kid: 'k', sign: () => undefined as never }],
    ['returns 63 bytes', { kid: 'k', sign: () => new Uint8Array(63) }],
    ['returns a promise', { kid: 'k', sign: (async () => fail()) as never }],
    ['has an empty kid', { ...signer, kid: '' }],
    ['has a kid with a space', { ...signer, kid: 'a b' }],
    ['has no kid', { sign: signer.sign } as never],
    [
      'has a kid that throws',
      {
        get kid() {
          return fail();
        },
        sign: signer.sign,
      },
    ],
  ];

  it.each(failures)('%s: the number is given, the event is lost, the chain can be bridged', (_, by) => {
    const chain = createChain(RUN_ID);
    const first = seal(chain, DRAFT, 'auditEvent', sha256, { signer });
    const lost = unsigned(() => seal(chain, DRAFT, 'auditEvent', sha256, { signer: by }));
    expect(lost).toMatchObject({ code: 'SPANLEDGER_SIGNER', event: { seq: 2, runId: RUN_ID } });
    expect(lost.event.hash).toBe(sha256(lost.event.bytes));
    expect(parseEvent(lost.event.bytes)).toMatchObject({ prev_hash: first.hash });
    expect(readSignature(parseEvent(lost.event.bytes)!)).toBeUndefined();
    const third = seal(chain, DRAFT, 'auditEvent', sha256, { signer });
    expect(parseEvent(third.bytes)).toMatchObject({ seq: 3, prev_hash: lost.event.hash });
  });

  it('what has no canonical form is not its failure, and gets no number', () => {
    const chain = createChain(RUN_ID);
    const fields = { half: '\ud800' };
    expect(() => seal(chain, { ...DRAFT, fields }, 'auditEvent', sha256, { signer })).toThrow('Lone surrogate');
    expect(chain.seq).toBe(0);
  });

  it('one that seals in the same run leaves the numbers as they are', () => {
    const chain = createChain(RUN_ID);
    const inner = (): SealedEvent => seal(chain, { ...DRAFT, event: 'inner' }, 'auditEvent', sha256);
    const by: EventSigner = { kid: 'k', sign: (bytes) => (inner(), signer.sign(bytes)) };
    expect(() => seal(chain, DRAFT, 'auditEvent', sha256, { signer: by })).toThrow('another one');
    expect(chain.seq).toBe(1);
  });
});

describe('reading a signature', () => {
  const event = parseEvent(sealOne(DRAFT).bytes)!;

  it('is undefined only where nothing of one is there', () => {
    const { kid: _kid, sigp: _sigp, sig: _sig, ...bare } = event;
    expect(readSignature(bare as AuditEvent)).toBeUndefined();
    expect(readSignature({ kid: 'k' })).toEqual({ kid: 'k', sigp: '', bytes: undefined });
    expect(readSignature({ sig: 7 as never })).toEqual({ kid: '', sigp: '', bytes: undefined });
  });

  it('takes one way to write 64 bytes', () => {
    const sig = event.sig!;
    expect(readSignature({ sig })?.bytes).toHaveLength(64);
    const last = String.fromCharCode(sig.charCodeAt(85) + 1);
    for (const other of [
      sig.slice(0, -2),
      sig.replace('==', ''),
      `${sig.slice(0, 85)}${last}==`,
      ` ${sig}`,
      '',
      `${sig}\n`,
    ]) {
      expect(readSignature({ sig: other })?.bytes).toBeUndefined();
    }
  });

  it('covers nothing that has no canonical form', () => {
    expect(signedBytes(JSON.parse('{"a":"\\ud800"}'))).toBeUndefined();
    let nested: unknown = [];
    for (let depth = 0; depth < 100_000; depth += 1) nested = [nested];
    expect(signedBytes({ nested })).toBeUndefined();
  });
});

function unsigned(run: () => unknown): UnsignedEventError {
  try {
    run();
  } catch (error) {
    if (error instanceof UnsignedEventError) return error;
    throw error;
  }
  throw new Error('it was signed');
}

function fail(): never {
  throw new Error('no signature today');
}
