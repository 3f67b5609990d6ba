import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createKeyRing } from '@spanledger/audit';
import type { Jwk, Jwks } from '@spanledger/protocol';

const PRIVATE_MODE = 0o600;
const PUBLIC_MODE = 0o644;

/** A new private Ed25519 key: PKCS#8 PEM. */
export function newKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/**
 * The public key of a private one.
 *
 * @param kid default: the RFC 7638 thumbprint, which is what a service calls the key too, unless it is told another name.
 * @throws SpanledgerError `SPANLEDGER_KEY`
 */
export function publicKeyOf(privateKey: string, kid?: string): Jwk {
  const ring = createKeyRing({ key: privateKey, ...(kid !== undefined && { kid }) });
  return ring.jwks().keys[0]!;
}

/** @throws an error of `open` if the file is there already: a key that is written over is lost. */
export function writeNewKey(file: string, pem: string): void {
  writeFileSync(file, pem, { mode: PRIVATE_MODE, flag: 'wx' });
}

/** In one step: whoever reads the file meanwhile has the old key or the new one. The mode stays as it was. */
export function replaceKey(file: string, pem: string): void {
  replaceFile(file, pem, statSync(file).mode & 0o777);
}

export function writeKeySet(file: string, keys: Jwks): void {
  replaceFile(file, `${JSON.stringify(keys, undefined, 2)}\n`, PUBLIC_MODE);
}

function replaceFile(file: string, text: string, mode: number): void {
  const fresh = `${file}.${randomUUID()}`;
  try {
    writeFileSync(fresh, text, { mode, flag: 'wx' });
    renameSync(fresh, file);
  } finally {
    rmSync(fresh, { force: true });
  }
}
