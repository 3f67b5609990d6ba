import { readFileSync } from 'node:fs';
import { SpanledgerError, readJwks } from '@spanledger/protocol';
import type { Jwks, VerificationKey } from '@spanledger/protocol';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';

/**
 * Reads the public keys of a JWKS file.
 *
 * @returns them as they are written, and as a verifier takes them.
 * @throws Failure `usage` if it is none, and naming it
 */
export function readKeySet(file: string): { readonly jwks: Jwks; readonly keys: VerificationKey[] } {
  const text = readFileSync(file, 'utf8');
  try {
    return { keys: readJwks(text), jwks: JSON.parse(text) as Jwks };
  } catch (cause) {
    if (!(cause instanceof SpanledgerError)) throw cause;
    const advice = 'public keys are wanted, as JWKS: `spanledger keys jwks FILE` makes one of a private key';
    throw new Failure(EXIT.usage, `${file}: ${cause.message}`, advice, { cause });
  }
}
