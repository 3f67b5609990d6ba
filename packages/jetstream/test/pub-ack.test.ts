import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PubAckReader } from '../src/pub-ack.ts';

const reader = new PubAckReader('AUDIT_EVENTS');
const read = (text: string) => reader.read(new TextEncoder().encode(text));

describe('PubAckReader', () => {
  it('reads every stored form to the same number', () => {
    const numbers = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(numbers, (seq) => {
        const stored = { status: 'stored', streamSeq: seq };
        const stream = 'AUDIT_EVENTS';
        expect(read(JSON.stringify({ stream, seq }))).toEqual(stored);
        expect(read(JSON.stringify({ stream, seq, duplicate: true }))).toEqual({ ...stored, duplicate: true });
        expect(read(JSON.stringify({ stream, seq, duplicate: false }))).toEqual(stored);
        expect(read(JSON.stringify({ stream, domain: 'hub', seq }))).toEqual(stored);
        expect(read(` { "seq": ${seq}, "stream": "AUDIT_EVENTS" } `)).toEqual(stored);
      }),
    );
  });

  it('takes nothing else for stored', () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.json().map((text) => new TextEncoder().encode(text)),
    );
    fc.assert(
      fc.property(noise, (bytes) => {
        expect(reader.read(bytes).status).not.toBe('stored');
      }),
    );
  });

  it.each([
    '{"stream":"AUDIT_EVENTS","seq":}',
    '{"stream":"AUDIT_EVENTS","seq":0}',
    '{"stream":"AUDIT_EVENTS","seq":-1}',
    '{"stream":"AUDIT_EVENTS","seq":1.5}',
    '{"stream":"AUDIT_EVENTS","seq":"1"}',
    '{"stream":"AUDIT_EVENTS2","seq":1}',
    '{"stream":"audit_events","seq":1}',
    '{"stream":"AUDIT_EVENTS","seq":1,"error":{"err_code":10077,"description":"full"}}',
    '{"stream":"AUDIT_EVENTS","seq":12',
    '',
    'null',
  ])('tries again after %s', (text) => {
    expect(read(text).status).toBe('retry');
  });

  it.each([
    [10054, 'refused'],
    [10097, 'refused'],
    [10077, 'retry'],
    [10060, 'retry'],
    [10023, 'retry'],
    [10008, 'retry'],
    [undefined, 'retry'],
  ])('error %s means %s', (err_code, status) => {
    expect(read(JSON.stringify({ error: { code: 400, err_code, description: 'x' } })).status).toBe(status);
  });
});
