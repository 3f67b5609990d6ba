import { createPublicKey, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { SignatureOptions } from '@spanledger/ledger';
import type { VerificationKey } from '@spanledger/protocol';
import { Option } from 'commander';
import type { Command } from 'commander';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import { readKeySet } from './key-set.ts';

/** How signatures are to be looked at. */
export interface SignatureFlags {
  readonly keys?: string;
  readonly requireSignatures?: 'event' | 'checkpoint';
}

export function withSignatures(command: Command): Command {
  return command
    .addOption(new Option('--keys <file>', 'the public keys that you believe, as JWKS: signatures are verified'))
    .addOption(new Option('--require-signatures <what>', 'what must be signed').choices(['event', 'checkpoint']));
}

/**
 * The keys come from a file and from nowhere else: whoever forges an event could name a place for keys too.
 *
 * @returns `undefined` where signatures are not to be looked at.
 * @throws Failure `usage`
 */
export function toSignatureOptions({ keys: file, requireSignatures }: SignatureFlags): SignatureOptions | undefined {
  if (file === undefined && requireSignatures !== undefined) {
    throw new Failure(
      EXIT.usage,
      '--require-signatures needs --keys',
      'the JWKS of your services: `spanledger keys jwks`',
    );
  }
  if (file === undefined) return undefined;
  const required = requireSignatures === undefined ? {} : { required: requireSignatures };
  return { keys: readKeySet(file).keys, verifySignature: createVerifier(), ...required };
}

function createVerifier(): SignatureOptions['verifySignature'] {
  const objects = new Map<string, KeyObject>();
  return (key, bytes, signature) => {
    let object = objects.get(key.kid);
    if (object === undefined) objects.set(key.kid, (object = toKeyObject(key)));
    return verify(null, bytes, object, signature);
  };
}

function toKeyObject({ x }: VerificationKey): KeyObject {
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
}
