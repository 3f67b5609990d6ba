import { createHash, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { chmodSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DiagLogLevel, diag } from '@opentelemetry/api';
import { readJwks } from '@spanledger/protocol';
import type { Jwk } from '@spanledger/protocol';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { createKeyRing } from '../../src/index.ts';
import type { KeyRing, KeyRingOptions } from '../../src/index.ts';
import { newDirectory, until } from '../journal/journal-support.ts';
import { newPem } from './signing-support.ts';

const pem = newPem();
const base64 = pem.replace(/-----[^-]+-----|\n/g, '');
const pemOf = (key: KeyObject): string => key.export({ format: 'pem', type: 'pkcs8' }) as string;
let said: string[];

beforeEach(() => {
  said = [];
  const keep = (...parts: unknown[]): void => void said.push(parts.join(' '));
  diag.setLogger({ error: keep, warn: keep, info: keep, debug: () => {}, verbose: () => {} }, DiagLogLevel.INFO);
});
afterEach(() => diag.disable());

function newRing(options: KeyRingOptions): KeyRing {
  const ring = createKeyRing(options);
  onTestFinished(() => ring.close());
  return ring;
}

describe('a key', () => {
  it.each([
    ['PEM', pem],
    ['PEM with its line breaks written out', pem.replaceAll('\n', String.raw`\n`)],
    ['PEM with Windows line breaks', pem.replaceAll('\n', '\r\n')],
    ['base64 of PKCS#8', base64],
    ['base64 in lines', `${base64.slice(0, 30)}\n${base64.slice(30)}\n`],
  ])('is read as %s', (_, key) => {
    expect(newRing({ key }).jwks()).toEqual(newRing({ key: pem }).jwks());
  });

  it('goes by its RFC 7638 thumbprint, or by the name that it is given', () => {
    const [jwk] = newRing({ key: pem }).jwks().keys;
    const { x } = jwk!;
    const members = JSON.stringify({ crv: 'Ed25519', kty: 'OKP', x });
    expect(jwk).toEqual({
      kty: 'OKP',
      crv: 'Ed25519',
      x,
      kid: createHash('sha256').update(members).digest('base64url'),
      use: 'sig',
      alg: 'EdDSA',
    });
    expect(newRing({ key: pem, kid: 'audit-1' }).jwks().keys).toEqual([{ ...jwk, kid: 'audit-1' }]);
  });

  it('has the thumbprint of the example of RFC 8037', () => {
    const d = Buffer.from('nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A', 'base64url');
    const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), d]);
    expect(newRing({ key: der.toString('base64') }).kid).toBe('kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k');
  });

  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const encrypted = { format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' } as const;
  const { privateKey } = generateKeyPairSync('ed25519');
  it.each([
    ['an RSA key', pemOf(rsa.privateKey), 'of the kind rsa'],
    ['an RSA key in its own PEM', rsa.privateKey.export({ format: 'pem', type: 'pkcs1' }) as string, 'of the kind rsa'],
    ['an EC key', pemOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey), 'of the kind ec'],
    ['an X25519 key', pemOf(generateKeyPairSync('x25519').privateKey), 'of the kind x25519'],
    ['a public key', rsa.publicKey.export({ format: 'pem', type: 'spki' }) as string, 'is a public key'],
    ['an encrypted key', privateKey.export(encrypted) as string, 'is encrypted'],
    ['a certificate', '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----', 'a certificate'],
    ['a broken PEM', pem.replace('\n', ''), 'cannot be read'],
    ['half a PEM', pem.slice(0, 60), 'cannot be read'],
    ['other base64', Buffer.from('not a key at all').toString('base64'), 'not of a private key'],
    ['no base64', 'päss wörd', 'neither PEM nor base64'],
    ['a path', './audit.pem', 'SPANLEDGER_SIGNING_KEY_FILE'],
    ['nothing', ' \n', 'is empty'],
  ])('%s is refused, with the reason and without the key', (_, key, message) => {
    const error = thrownBy(() => createKeyRing({ key }));
    expect(error).toMatchObject({ code: 'SPANLEDGER_KEY', message: expect.stringContaining(message) });
    const secret = key.split('\n').find((line) => line.length > 20 && !line.startsWith('---'));
    if (secret !== undefined) expect((error as Error).message).not.toContain(secret);
  });

  it.each([
    [{}, 'SPANLEDGER_OPTION'],
    [{ key: pem, keyFile: 'x' }, 'SPANLEDGER_OPTION'],
    [{ key: pem, keyFileCheckMs: 1 }, 'SPANLEDGER_OPTION'],
    [{ key: pem, kid: '' }, 'SPANLEDGER_KEY'],
    [{ key: pem, kid: 'a b' }, 'SPANLEDGER_KEY'],
    [{ keyFile: '/nowhere/at/all' }, 'SPANLEDGER_KEY'],
    [{ keyFile: '/' }, 'SPANLEDGER_KEY'],
    [{ key: pem, publicKeys: { keys: [{ kty: 'OKP' }] } as never }, 'SPANLEDGER_KEY'],
  ])('options that cannot be are an error: %j', (options, code) => {
    expect(thrownBy(() => createKeyRing(options))).toMatchObject({ code });
  });
});

describe('rotation', () => {
  it('signs with the new key, and goes on serving the old one, with its end', () => {
    const ring = newRing({ key: pem, kid: 'first' });
    expect(ring.rotate({ key: newPem(), kid: 'second' })).toBe('second');
    ring.rotate({ key: newPem(), kid: 'third' });
    const keys = readJwks(ring.jwks());
    expect(keys.map(({ kid }) => kid)).toEqual(['third', 'second', 'first']);
    expect(keys.map(({ notAfter }) => notAfter)).toEqual([undefined, expect.any(Number), expect.any(Number)]);
    // Replicas rotate one after the other, and a reader has the keys of any of them.
    const remaining = keys[1]!.notAfter! - Date.now() / 1_000;
    expect([remaining > 540, remaining < 660]).toEqual([true, true]);
    // No key has a beginning: what happened before it, and is sealed after it, is signed with it.
    expect(keys.every(({ notBefore }) => notBefore === undefined)).toBe(true);
  });

  it('to the same key changes nothing; back to an old one ends its end', () => {
    const ring = newRing({ key: pem, kid: 'first' });
    ring.rotate({ key: base64, kid: 'first' });
    ring.rotate({ key: pem });
    expect(ring.jwks().keys).toHaveLength(1);
    ring.rotate({ key: newPem(), kid: 'second' });
    ring.rotate({ key: pem, kid: 'first' });
    expect(readJwks(ring.jwks())).toMatchObject([{ kid: 'first' }, { kid: 'second', notAfter: expect.any(Number) }]);
    expect(readJwks(ring.jwks())[0]).not.toHaveProperty('notAfter');
  });

  it('never gives two keys one name, and then leaves all as it was', () => {
    const [old] = newRing({ key: newPem(), kid: 'old' }).jwks().keys as [Jwk];
    const ring = newRing({ key: pem, kid: 'first', publicKeys: { keys: [old] } });
    const before = ring.jwks();
    for (const kid of ['first', 'old']) {
      expect(thrownBy(() => ring.rotate({ key: newPem(), kid }))).toMatchObject({ code: 'SPANLEDGER_KEY' });
    }
    expect(thrownBy(() => ring.rotate({ key: 'junk' }))).toMatchObject({ code: 'SPANLEDGER_KEY' });
    expect(ring.jwks()).toEqual(before);
    expect(thrownBy(() => createKeyRing({ key: pem, kid: 'old', publicKeys: { keys: [old] } }))).toMatchObject({
      code: 'SPANLEDGER_KEY',
    });
  });

  it('remembers 32 keys, and says which it forgets', () => {
    const ring = newRing({ key: pem, kid: 'k0' });
    for (let n = 1; n <= 40; n += 1) ring.rotate({ key: newPem(), kid: `k${n}` });
    expect(ring.jwks().keys).toHaveLength(33);
    expect(said.filter((line) => line.includes('no longer served'))).toHaveLength(8);
  });
});

describe('a key file', () => {
  it('is read again when another one is put in its place', async () => {
    const file = path.join(await newDirectory(), 'key.pem');
    writeFileSync(file, pem, { mode: 0o600 });
    const ring = newRing({ keyFile: file, kid: 'first', keyFileCheckMs: 10 });
    expect(ring.kid).toBe('first');
    const next = newPem();
    writeFileSync(`${file}.new`, next, { mode: 0o600 });
    renameSync(`${file}.new`, file);
    const { kid } = newRing({ key: next });
    await until(() => ring.kid === kid);
    expect(ring.jwks().keys).toMatchObject([{ kid }, { kid: 'first', exp: expect.any(Number) }]);
    expect(said.filter((line) => line.includes('read by everyone'))).toHaveLength(0);
  });

  it('that becomes unusable leaves the key that there was, says so once, and is tried again', async () => {
    const file = path.join(await newDirectory(), 'key.pem');
    writeFileSync(file, pem, { mode: 0o600 });
    const ring = newRing({ keyFile: file, keyFileCheckMs: 10 });
    const { kid } = ring;
    writeFileSync(file, pem.slice(0, 50));
    await until(() => said.some((line) => line.includes('cannot be read')));
    expect(ring.kid).toBe(kid);
    writeFileSync(file, newPem());
    await until(() => ring.kid !== kid);
    expect(said.filter((line) => line.includes('cannot be read'))).toHaveLength(1);
  });

  it('that everyone can read is warned of, and one that is too long is refused', async () => {
    const file = path.join(await newDirectory(), 'key.pem');
    writeFileSync(file, pem);
    chmodSync(file, 0o644);
    newRing({ keyFile: file });
    expect(said).toMatchObject([expect.stringContaining('read by everyone')]);
    writeFileSync(file, pem.padEnd(20_000));
    expect(thrownBy(() => createKeyRing({ keyFile: file }))).toMatchObject({ code: 'SPANLEDGER_KEY' });
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
