import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { readJwks, readSignature, signedBytes } from '@spanledger/protocol';
import type { AuditEvent, Jwks } from '@spanledger/protocol';
import type { SigningKeys } from '../../src/index.ts';

/** A new private key, as PEM. */
export function newPem(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
}

/** What a reader who has these keys pinned makes of an event. */
export function verdict(
  event: AuditEvent,
  jwks: Jwks,
): 'missing' | 'valid' | 'invalid' | 'unknown key' | 'expired key' {
  const signature = readSignature(event);
  if (signature === undefined) return 'missing';
  const key = readJwks(jwks).find(({ kid }) => kid === signature.kid);
  if (key === undefined) return 'unknown key';
  const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: key.x }, format: 'jwk' });
  const covered = signedBytes(event);
  if (signature.bytes === undefined || covered === undefined) return 'invalid';
  if (!verify(null, covered, publicKey, signature.bytes)) return 'invalid';
  const seconds = Date.parse(event.ts) / 1_000;
  return seconds > (key.notAfter ?? Infinity) || seconds < (key.notBefore ?? 0) ? 'expired key' : 'valid';
}

/** Signs with these keys, except where `fails` says so of the n-th event, from 1. */
export function moodyKeys(keys: SigningKeys, fails: (n: number) => boolean): SigningKeys & { asked: number } {
  const moody = {
    asked: 0,
    get kid() {
      return keys.kid;
    },
    sign(bytes: Uint8Array) {
      moody.asked += 1;
      if (fails(moody.asked)) throw new Error('the signer has no time');
      return keys.sign(bytes);
    },
    jwks: () => keys.jwks(),
  };
  return moody;
}
