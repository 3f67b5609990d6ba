import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  TRANSCRIPT_KINDS,
  messageId,
  readTranscript,
  sealTranscript,
  transcriptReference,
  transcriptSubject,
} from '../src/index.ts';
import type { SealedTranscript, TranscriptRecord } from '../src/index.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const NONCE = '00112233445566778899aabbccddeeff';
const BASE = { producer: 'svc', taskId: 'task-1', ts: '2026-01-01T00:00:00.000000Z', seq: 0n } as const;
const INPUT: TranscriptRecord = { ...BASE, kind: 'input', content: 'hello' };

const sealed = (record: TranscriptRecord, chunkMaxBytes = 1_024): SealedTranscript =>
  sealTranscript(record, { sha256, nonce: NONCE, chunkMaxBytes });
const messages = ({ chunks }: SealedTranscript): Uint8Array[] => chunks.map(({ bytes }) => bytes);

const idText = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((text) => Buffer.byteLength(text) <= 128);
const optionalId = fc.option(idText, { nil: undefined });
const content = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 4_000 }),
  fc.string({ unit: 'grapheme', maxLength: 2_000 }),
  fc
    .array(fc.constantFrom('"', '\\', '\n', '\0', '🐎', '\ud83d', '漢', 'x'), { maxLength: 4_000 })
    .map((all) => all.join('')),
);
const key = {
  producer: idText,
  taskId: idText,
  sessionId: optionalId,
  requestId: optionalId,
  seq: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  ts: fc.constant(BASE.ts),
};
const count = fc.nat();
/** Lone surrogates come as they are written: texts of messages are JSON inside of JSON. */
const messageList = fc.array(
  fc.record({
    role: fc.constantFrom('user', 'assistant'),
    parts: fc.array(fc.record({ type: fc.constant('text'), content: fc.string({ unit: 'grapheme', maxLength: 300 }) })),
  }),
  { maxLength: 6 },
);
const record: fc.Arbitrary<TranscriptRecord> = fc.oneof(
  fc.record({ ...key, kind: fc.constantFrom('input' as const, 'output' as const), content }),
  fc.record({ ...key, kind: fc.constantFrom('input' as const, 'output' as const), content: messageList }),
  fc.record({
    ...key,
    kind: fc.constant('event_summary' as const),
    content: fc.record({
      events: count,
      counts: fc.dictionary(fc.stringMatching(/^[a-z_]{1,30}$/), count, { maxKeys: 60, noNullPrototype: true }),
      firstEventId: optionalId,
      lastEventId: optionalId,
    }),
  }),
);
const chunkMax = fc.integer({ min: 1_024, max: 3_000 });

/** Without what is `undefined`. */
const plain = (value: TranscriptRecord): unknown =>
  JSON.parse(JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? `${member}n` : member)));

describe('a transcript', () => {
  it('is read as it was sealed, from messages in any order and however often each is there', () => {
    fc.assert(
      fc.property(record, chunkMax, fc.infiniteStream(fc.nat()), (given, max, order) => {
        const transcript = sealed(given, max);
        const twice = [...messages(transcript), ...messages(transcript)];
        const shuffled = twice
          .map((bytes) => ({ bytes, at: order.next().value as number }))
          .sort((a, b) => a.at - b.at);
        const reading = readTranscript(
          shuffled.map(({ bytes }) => bytes),
          transcript.digest,
          sha256,
        );
        expect(reading.status).toBe('ok');
        if (reading.status === 'ok') expect(plain(reading.record)).toEqual(plain(given));
      }),
      { numRuns: 60 },
    );
  });

  it('is cut into messages of one line that keep their bound and name their whole', () => {
    fc.assert(
      fc.property(record, chunkMax, (given, max) => {
        const { chunks, digest, subject } = sealed(given, max);
        for (const [index, { bytes, hash, runId, seq, ...chunk }] of chunks.entries()) {
          const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
          expect(bytes.length).toBeLessThanOrEqual(max);
          expect(text).not.toContain('\n');
          expect([hash, runId, seq, chunk.subject]).toEqual([sha256(bytes), digest, index + 1, subject]);
          expect(JSON.parse(text)).toMatchObject({ transcript: digest, chunk: seq, chunks: chunks.length });
        }
      }),
      { numRuns: 60 },
    );
  });

  it.each([0, 1, 2, 3])('is never cut inside of a character, wherever the bound falls (%i)', (before) => {
    const { chunks } = sealed({ ...INPUT, content: 'x'.repeat(before) + '🐎'.repeat(2_000) });
    expect(chunks.length).toBeGreaterThan(8);
    for (const { bytes } of chunks) {
      const { part } = JSON.parse(String(Buffer.from(bytes))) as { part: string };
      expect(part).not.toMatch(/\p{Surrogate}/u);
    }
  });

  it('is never read as something else, whatever is missing or changed', () => {
    const given: TranscriptRecord = { ...INPUT, content: 'x'.repeat(5_000) };
    const transcript = sealed(given);
    const all = messages(transcript);
    expect(all.length).toBeGreaterThan(4);
    fc.assert(
      fc.property(fc.nat(all.length - 1), fc.nat(600), fc.nat(255), (which, at, byte) => {
        const changed = all.map((bytes) => bytes.slice());
        const target = changed[which]!;
        target[at % target.length] = byte;
        const reading = readTranscript(changed, transcript.digest, sha256);
        // What is outside of the text (the version) may change: the record is the same.
        if (reading.status === 'ok') expect(reading.record).toEqual(given);
        const without = readTranscript(all.toSpliced(which, 1), transcript.digest, sha256);
        expect(without).toEqual({ status: 'incomplete', have: all.length - 1, of: all.length });
      }),
      { numRuns: 200 },
    );
  });

  it('is absent where it was erased, and other transcripts are not it', () => {
    const transcript = sealed(INPUT);
    expect(readTranscript([], transcript.digest, sha256)).toEqual({ status: 'absent' });
    const others = [...messages(sealed({ ...INPUT, content: 'bye' })), Buffer.from('no message'), Buffer.from('null')];
    expect(readTranscript(others, transcript.digest, sha256)).toEqual({ status: 'absent' });
    expect(readTranscript([...others, ...messages(transcript)], transcript.digest, sha256).status).toBe('ok');
  });

  it('is altered where one number has two messages, or where the digest is of no transcript', () => {
    const transcript = sealed({ ...INPUT, content: 'x'.repeat(3_000) });
    const forged = JSON.stringify({
      ...(JSON.parse(String(Buffer.from(messages(transcript)[0]!))) as object),
      part: 'y',
    });
    const both = [...messages(transcript), Buffer.from(forged)];
    expect(readTranscript(both, transcript.digest, sha256)).toEqual({ status: 'altered' });
    for (const part of ['{}', 'null', '[', '{"kind":"event_summary","seq":"1","content":null}']) {
      const digest = sha256(Buffer.from(part));
      const one = JSON.stringify({ transcript: digest, chunk: 1, chunks: 1, part });
      expect(readTranscript([Buffer.from(one)], digest, sha256)).toEqual({ status: 'altered' });
    }
  });

  it('says nothing of its content by its digest, without the nonce', () => {
    const options = { sha256, chunkMaxBytes: 1_024 };
    const [one, two] = ['0'.repeat(32), '1'.repeat(32)].map(
      (nonce) => sealTranscript(INPUT, { ...options, nonce }).digest,
    );
    expect(one).not.toBe(two);
    expect(sealTranscript(INPUT, { ...options, nonce: '0'.repeat(32) }).digest).toBe(one);
  });

  it('has numbers past 2^53 without losing any of them', () => {
    const seq = 2n ** 53n + 1n;
    const transcript = sealed({ ...INPUT, seq });
    expect(transcript.subject.endsWith('.input.9007199254740993')).toBe(true);
    expect(transcriptReference({ ...INPUT, seq }, transcript)).toMatchObject({ seq: '9007199254740993' });
    expect(readTranscript(messages(transcript), transcript.digest, sha256)).toMatchObject({ record: { seq } });
  });

  it('has a message id for each message, and what an event says of it is its digest', () => {
    const transcript = sealed({ ...INPUT, content: 'x'.repeat(3_000) });
    expect(new Set(transcript.chunks.map(messageId)).size).toBe(transcript.chunks.length);
    expect(transcriptReference(INPUT, transcript)).toEqual({
      kind: 'input',
      seq: '0',
      digest: transcript.digest,
      chunks: transcript.chunks.length,
    });
  });

  it('writes no property that is not its own', () => {
    const more = { ...INPUT, password: 'secret-1', toJSON: () => 'secret-2' };
    expect(String(Buffer.from(messages(sealed(more))[0]!))).not.toContain('secret');
  });
});

describe('the subject of a transcript', () => {
  it('is of this form, with the tokens of event subjects', () => {
    const full = { ...INPUT, sessionId: 's.1', requestId: '-' };
    expect(transcriptSubject('svc', full)).toBe('auditTranscript.svc.task-1.s%2E1.%2D.input.0');
    expect(transcriptSubject('svc', INPUT)).toBe('auditTranscript.svc.task-1.-.-.input.0');
  });

  it('is another one for each key, and never longer than a server takes', () => {
    fc.assert(
      fc.property(record, record, (a, b) => {
        const [one, two] = [a, b].map((each) => transcriptSubject(each.producer, each));
        const keyOf = ({ producer, taskId, sessionId, requestId, kind, seq }: TranscriptRecord): string =>
          JSON.stringify([producer, taskId, sessionId, requestId, kind, String(seq)]);
        expect(one === two).toBe(keyOf(a) === keyOf(b));
        expect(one!.split('.')).toHaveLength(7);
      }),
    );
    const long = '漢'.repeat(42);
    const subject = transcriptSubject(long, {
      ...INPUT,
      taskId: long,
      sessionId: long,
      requestId: long,
      seq: 2n ** 64n - 1n,
    });
    expect(subject.length).toBeLessThan(2_048);
  });
});

it.each<[string, object]>([
  ['kind', { kind: 'inputs' }],
  ['seq', { seq: 1 }],
  ['seq', { seq: -1n }],
  ['seq', { seq: 2n ** 64n }],
  ['producer', { producer: '' }],
  ['taskId', { taskId: undefined }],
  ['taskId', { taskId: 'x'.repeat(129) }],
  ['sessionId', { sessionId: '\ud83d' }],
  ['requestId', { requestId: '' }],
  ['content', { content: { role: 'user' } }],
  ['content', { content: ['hello'] }],
  ['content', { content: [{ role: 'user', content: 'x'.repeat(16 * 1024 * 1024 + 1) }] }],
  ['content', { content: 'x'.repeat(16 * 1024 * 1024 + 1) }],
  ['counts', { kind: 'event_summary', content: { events: 1.5, counts: {} } }],
  ['counts', { kind: 'event_summary', content: { events: 1, counts: { llm_call: -1 } } }],
  ['counts', { kind: 'event_summary', content: { events: 1, counts: null } }],
  ['firstEventId', { kind: 'event_summary', content: { events: 1, counts: {}, firstEventId: { a: 1 } } }],
  ['lastEventId', { kind: 'event_summary', content: { events: 1, counts: {}, lastEventId: '' } }],
])('is not sealed for a bad %s', (name, change) => {
  expect(() => sealed({ ...INPUT, ...change })).toThrow(
    expect.objectContaining({
      code: 'SPANLEDGER_TRANSCRIPT',
      message: expect.stringMatching(new RegExp(`${name}|counts`)),
    }),
  );
});

it('is not sealed without a nonce that is one, or into messages too small', () => {
  const error = expect.objectContaining({ code: 'SPANLEDGER_TRANSCRIPT' });
  for (const nonce of ['', 'abc', 'A'.repeat(32), 'g'.repeat(32)]) {
    expect(() => sealTranscript(INPUT, { sha256, nonce })).toThrow(error);
  }
  for (const chunkMaxBytes of [0, 1_023, 1e20, Number.NaN]) {
    expect(() => sealTranscript(INPUT, { sha256, nonce: NONCE, chunkMaxBytes })).toThrow(error);
  }
  expect(TRANSCRIPT_KINDS).toEqual(['input', 'output', 'event_summary']);
});
