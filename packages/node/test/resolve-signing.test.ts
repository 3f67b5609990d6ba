import path from 'node:path';
import type { SigningKeys } from '@spanledger/audit';
import { describe, expect, it } from 'vitest';
import { resolveSigning } from '../src/resolve-signing.ts';

const KEYS: SigningKeys = { kid: 'k', sign: () => new Uint8Array(64), jwks: () => ({ keys: [] }) };

describe('resolveSigning', () => {
  it('signs nothing by default, and nothing where it is turned off', () => {
    expect(resolveSigning(undefined, {})).toBeUndefined();
    expect(resolveSigning(undefined, { SPANLEDGER_SIGNING_KEY: ' ', SPANLEDGER_SIGNING_MODE: '' })).toBeUndefined();
    expect(resolveSigning(false, { SPANLEDGER_SIGNING_KEY: 'a key' })).toBeUndefined();
  });

  it('takes a key alone for the mode checkpoint', () => {
    const fromEnv = resolveSigning(undefined, { SPANLEDGER_SIGNING_KEY: 'a key' });
    expect(fromEnv).toEqual({
      mode: 'checkpoint',
      keys: undefined,
      ring: { key: 'a key', keySource: 'SPANLEDGER_SIGNING_KEY', kid: undefined, publicKeys: undefined },
    });
    expect(resolveSigning({ key: 'a key' }, {})).toMatchObject({ mode: 'checkpoint', ring: { key: 'a key' } });
    expect(resolveSigning({ keys: KEYS }, {})).toEqual({ mode: 'checkpoint', keys: KEYS, ring: undefined });
  });

  it('takes all of it from the environment, and the file as an absolute path', () => {
    const env = {
      SPANLEDGER_SIGNING_KEY_FILE: 'keys/audit.pem',
      SPANLEDGER_SIGNING_KID: 'audit-1',
      SPANLEDGER_SIGNING_MODE: 'event',
    };
    const ring = { keyFile: path.resolve('keys/audit.pem'), kid: 'audit-1' };
    expect(resolveSigning(undefined, env)).toMatchObject({ mode: 'event', ring });
    expect(
      resolveSigning(undefined, { SPANLEDGER_SIGNING_KEY: 'k', SPANLEDGER_SIGNING_KEY_KID: 'audit-2' }),
    ).toMatchObject({ ring: { kid: 'audit-2' } });
  });

  it('prefers options to the environment', () => {
    const env = {
      SPANLEDGER_SIGNING_KEY: 'of the environment',
      SPANLEDGER_SIGNING_MODE: 'event',
      SPANLEDGER_SIGNING_KID: 'env',
    };
    expect(resolveSigning({ key: 'mine', mode: 'checkpoint', kid: 'own' }, env)).toMatchObject({
      mode: 'checkpoint',
      ring: { key: 'mine', kid: 'own' },
    });
    expect(resolveSigning({ keyFile: '/k.pem' }, env)?.ring).not.toHaveProperty('key');
    expect(resolveSigning({ keys: KEYS }, env)).toMatchObject({ mode: 'event', keys: KEYS, ring: undefined });
  });

  it.each([
    ['a mode without a key', undefined, { SPANLEDGER_SIGNING_MODE: 'event' }, 'without a key'],
    ['a kid without a key', undefined, { SPANLEDGER_SIGNING_KID: 'k' }, 'without a key'],
    ['an empty object', {}, {}, 'without a key'],
    ['two keys', { key: 'a', keyFile: 'b' }, {}, 'one of'],
    ['a key and a ring', { key: 'a', keys: KEYS }, {}, 'one of'],
    ['a kid for a ring', { kid: 'a', keys: KEYS }, {}, 'its own'],
    [
      'two keys in the environment',
      undefined,
      { SPANLEDGER_SIGNING_KEY: 'a', SPANLEDGER_SIGNING_KEY_FILE: 'b' },
      'both',
    ],
    ['another mode', { key: 'a', mode: 'all' }, {}, "'checkpoint' or 'event'"],
    ['a misspelt option', { keyfile: 'a' }, {}, 'signing.keyFile'],
    ['a text', 'a key', {}, 'must be an object'],
  ])('refuses %s', (_, option, env, message) => {
    expect(() => resolveSigning(option as never, env)).toThrow(
      expect.objectContaining({ code: 'SPANLEDGER_OPTION', message: expect.stringContaining(message) }),
    );
  });
});
