import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SpanledgerError, readJwks } from '../src/index.ts';
import { makeKey } from './ed25519.ts';

const one = makeKey('one').jwk;
const two = makeKey('two').jwk;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });

describe('a key set', () => {
  it('is read as text and as an object, with its times', () => {
    const set = { keys: [one, { ...two, use: 'sig', alg: 'EdDSA', nbf: 1_700_000_000, exp: 1_800_000_000 }] };
    const keys = [
      { kid: 'one', x: one.x },
      { kid: 'two', x: two.x, notBefore: 1_700_000_000, notAfter: 1_800_000_000 },
    ];
    expect(readJwks(set)).toEqual(keys);
    expect(readJwks(JSON.stringify(set))).toEqual(keys);
  });

  it('passes over keys of other kinds, and counts one that is named twice once', () => {
    expect(readJwks({ keys: [rsa, { ...two, use: 'enc' }, null, 7, one, one] })).toEqual([{ kid: 'one', x: one.x }]);
    expect(readJwks({ keys: [] })).toEqual([]);
  });

  it('takes the whole time of a key that two replicas have retired one after the other', () => {
    const [earlier, later] = [
      { ...one, nbf: 5, exp: 10 },
      { ...one, nbf: 7, exp: 12 },
    ];
    expect(readJwks({ keys: [later, two, earlier] })).toMatchObject([
      { kid: 'one', notBefore: 5, notAfter: 12 },
      { kid: 'two' },
    ]);
    expect(readJwks({ keys: [later, one] })).toEqual([{ kid: 'one', x: one.x }]);
  });

  const wrong: [string, unknown, string][] = [
    ['no JSON', '{', 'not JSON'],
    ['no object', '7', 'not a JSON object'],
    ['null', 'null', 'not a JSON object'],
    ['no keys', {}, 'no array `keys`'],
    ['a single JWK', one, 'no array `keys`'],
    ['other keys only', { keys: [rsa] }, 'none of its keys'],
    ['a private key', { keys: [{ ...one, d: 'secret-d' }] }, 'private key'],
    ['no kid', { keys: [{ ...one, kid: undefined }] }, 'no usable `kid`'],
    ['a kid with a line break', { keys: [{ ...one, kid: 'a\nb' }] }, 'no usable `kid`'],
    ['half a key', { keys: [{ ...one, x: one.x.slice(0, 21) }] }, '32 bytes'],
    ['padded base64', { keys: [{ ...one, x: `${one.x}=` }] }, '32 bytes'],
    ['a time that is none', { keys: [{ ...one, exp: '2026-01-01' }] }, 'number of seconds'],
    ['two keys of one name', { keys: [one, { ...two, kid: 'one' }] }, 'two different keys'],
    ['too many', { keys: Array.from({ length: 1_001 }, () => one) }, 'at most 1000'],
  ];

  it.each(wrong)('%s is an error that says so', (_, json, message) => {
    const error = thrownBy(() => readJwks(json as object));
    expect(error).toBeInstanceOf(SpanledgerError);
    expect(error).toMatchObject({ code: 'SPANLEDGER_KEY', message: expect.stringContaining(message) });
    expect((error as Error).message).not.toContain('secret');
  });
});

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
