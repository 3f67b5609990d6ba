import { createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { SpanledgerError } from '@spanledger/protocol';

const PEM = /^-----BEGIN ([A-Z0-9 ]+)-----/;
const BASE64 = /^[A-Za-z0-9+/\s]+={0,2}\s*$/;
const HINT = 'openssl genpkey -algorithm ed25519 makes one';
const A_PATH = 'If it is a path: SPANLEDGER_SIGNING_KEY_FILE takes one, and `keyFile`';

/**
 * Reads a private Ed25519 key: PEM, also with its line breaks written as `\n`, or the base64 of its PKCS#8 DER.
 *
 * @param source where it is from, for messages; they never hold the key.
 * @throws SpanledgerError `SPANLEDGER_KEY`
 */
export function readPrivateKey(text: string, source: string): KeyObject {
  const trimmed = text.trim();
  if (trimmed === '') throw wrong(source, 'is empty');
  const label = PEM.exec(trimmed)?.[1];
  const key = label === undefined ? fromBase64(trimmed, source) : fromPem(trimmed, label, source);
  const { asymmetricKeyType: type = 'unknown' } = key;
  if (type !== 'ed25519') throw wrong(source, `is a key of the kind ${type}, and Ed25519 is needed: ${HINT}`);
  return key;
}

function fromPem(pem: string, label: string, source: string): KeyObject {
  if (label === 'PUBLIC KEY') throw wrong(source, 'is a public key, and the private one is needed');
  if (label === 'ENCRYPTED PRIVATE KEY') throw wrong(source, 'is encrypted: give it without a passphrase');
  if (!label.endsWith('PRIVATE KEY')) throw wrong(source, `is not a private key but a ${label.toLowerCase()}`);
  try {
    // Environments often cannot hold a line break.
    return createPrivateKey(pem.replaceAll(String.raw`\n`, '\n'));
  } catch (cause) {
    throw wrong(source, 'is a PEM that cannot be read: were its line breaks lost?', cause);
  }
}

function fromBase64(text: string, source: string): KeyObject {
  if (!BASE64.test(text)) throw wrong(source, `is neither PEM nor base64: ${HINT}. ${A_PATH}`);
  try {
    return createPrivateKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'pkcs8' });
  } catch (cause) {
    throw wrong(source, `is base64, but not of a private key in PKCS#8 DER: ${HINT}`, cause);
  }
}

function wrong(source: string, what: string, cause?: unknown): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_KEY', `the signing key (${source}) ${what}`, { cause });
}
