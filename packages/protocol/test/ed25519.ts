import { createHash, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readSignature, signedBytes } from '../src/index.ts';
import type { AuditEvent, EventSigner, Jwk, VerificationKey } from '../src/index.ts';

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export interface TestKey {
  readonly signer: EventSigner;
  readonly jwk: Jwk;
}

export function makeKey(kid: string): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const { x } = publicKey.export({ format: 'jwk' }) as { readonly x: string };
  return {
    signer: { kid, sign: (bytes) => sign(null, bytes, privateKey) },
    jwk: { kty: 'OKP', crv: 'Ed25519', x, kid },
  };
}

/** Whether an event is signed, and the signature holds, as a reader with Node's own cryptography sees it. */
export function verifies(event: AuditEvent, keys: readonly VerificationKey[]): boolean {
  const signature = readSignature(event);
  const key = keys.find(({ kid }) => kid === signature?.kid);
  const covered = signedBytes(event);
  if (signature?.bytes === undefined || key === undefined || covered === undefined) return false;
  return signature.sigp === 'jcs-1' && verifiesBytes(covered, signature.bytes, key);
}

export function verifiesBytes(covered: Uint8Array, signature: Uint8Array, key: VerificationKey): boolean {
  return verify(null, covered, toKeyObject(key), signature);
}

function toKeyObject({ x }: VerificationKey): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}
