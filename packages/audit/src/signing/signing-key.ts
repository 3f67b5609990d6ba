import { createHash, createPublicKey, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { SpanledgerError, parseId } from '@spanledger/protocol';
import type { EventSigner, Jwk } from '@spanledger/protocol';

/** A private key with the public one that goes with it. */
export interface SigningKey extends EventSigner {
  readonly jwk: Jwk;
}

/**
 * @param kid default: the RFC 7638 thumbprint of the key, which names no other key anywhere.
 * @throws SpanledgerError `SPANLEDGER_KEY` for a `kid` that cannot be one
 */
export function signingKey(privateKey: KeyObject, kid?: string): SigningKey {
  const { x = '' } = createPublicKey(privateKey).export({ format: 'jwk' });
  const name = kid === undefined ? thumbprint(x) : checkKid(kid);
  return {
    kid: name,
    sign: (bytes) => sign(null, bytes, privateKey),
    jwk: Object.freeze({ kty: 'OKP', crv: 'Ed25519', x, kid: name, use: 'sig', alg: 'EdDSA' }),
  };
}

function thumbprint(x: string): string {
  // RFC 7638: the required members, in the order of their names.
  return createHash('sha256').update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest('base64url');
}

function checkKid(kid: string): string {
  if (parseId(kid) === kid) return kid;
  throw new SpanledgerError(
    'SPANLEDGER_KEY',
    `kid must be 1 to 128 visible ASCII characters, got ${JSON.stringify(kid)}`,
  );
}
