import { SpanledgerError } from './errors.ts';
import { parseId } from './workflow-values.ts';

/** A public Ed25519 key as RFC 8037 writes it. */
export interface Jwk {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  /** 32 bytes, base64url without padding. */
  readonly x: string;
  /** 1 to 128 visible ASCII characters. */
  readonly kid: string;
  readonly use?: 'sig';
  readonly alg?: 'EdDSA';
  /** It has signed nothing earlier: seconds since 1970. */
  readonly nbf?: number;
  /** It has signed nothing later: seconds since 1970. */
  readonly exp?: number;
}

/** A set of keys, as it is served at `JWKS_PATH`. */
export interface Jwks {
  readonly keys: readonly Jwk[];
}

/** Where a service serves the public keys that its events can be verified with. A reader pins keys, and fetches none. */
export const JWKS_PATH = '/.well-known/forge-audit-keys';

/** A public key that a reader believes. */
export interface VerificationKey {
  readonly kid: string;
  /** 32 bytes, base64url without padding: `x` of the JWK. */
  readonly x: string;
  /** What it signed is from this second since 1970 on. Absent: from any. */
  readonly notBefore?: number;
  /** What it signed is up to this second since 1970. Absent: up to any. */
  readonly notAfter?: number;
}

const KEYS_MAX = 1_000;
/** 32 bytes in base64url; the last digit of the 43 has two bits that must be 0. */
const PUBLIC_KEY = /^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/;

/**
 * Reads a JWKS that somebody wants to verify with. Keys of other kinds are passed over, as RFC 7517 asks for; at most 1,000 keys.
 *
 * @param json its text, or what `JSON.parse` made of it.
 * @throws SpanledgerError `SPANLEDGER_KEY` if it is no JWKS, has an Ed25519 key that is damaged, private or has no `kid`,
 * has two keys under one `kid`, or only keys of other kinds. One key that is in it twice is valid as long as either says.
 */
export function readJwks(json: string | object): VerificationKey[] {
  const { keys } = parseObject(json);
  if (!Array.isArray(keys)) throw wrong('it has no array `keys`');
  if (keys.length > KEYS_MAX) throw wrong(`it has ${keys.length} keys, and at most ${KEYS_MAX} are read`);
  const ours = (keys as unknown[]).flatMap((key, index) => (isEd25519(key) ? [readKey(key, `key ${index + 1}`)] : []));
  if (ours.length === 0 && keys.length > 0) throw wrong('none of its keys is an Ed25519 key (kty OKP, crv Ed25519)');
  return unique(ours);
}

function parseObject(json: string | object): Record<string, unknown> {
  let value: unknown = json;
  try {
    if (typeof json === 'string') value = JSON.parse(json);
  } catch (cause) {
    throw wrong('it is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null) throw wrong('it is not a JSON object');
  return value as Record<string, unknown>;
}

function isEd25519(key: unknown): key is Record<string, unknown> {
  const { kty, crv, use } = (key ?? {}) as Record<string, unknown>;
  return kty === 'OKP' && crv === 'Ed25519' && (use === undefined || use === 'sig');
}

function readKey({ kid, x, d, nbf, exp }: Record<string, unknown>, label: string): VerificationKey {
  if (d !== undefined)
    throw wrong(`${label} is a private key (it has \`d\`): whoever reads it can sign. Give the public one`);
  if (typeof kid !== 'string' || parseId(kid) !== kid) throw wrong(`${label} has no usable \`kid\``);
  if (typeof x !== 'string' || !PUBLIC_KEY.test(x)) throw wrong(`\`x\` of ${label} is not 32 bytes of base64url`);
  const [notBefore, notAfter] = [seconds(nbf, `\`nbf\` of ${label}`), seconds(exp, `\`exp\` of ${label}`)];
  return { kid, x, ...(notBefore !== undefined && { notBefore }), ...(notAfter !== undefined && { notAfter }) };
}

function seconds(value: unknown, label: string): number | undefined {
  if (value === undefined || (typeof value === 'number' && Number.isFinite(value))) return value;
  throw wrong(`${label} is not a number of seconds since 1970`);
}

/** One key that is named twice counts once, with all of its time: sets are put together of others, and replicas retire it one by one. */
function unique(keys: readonly VerificationKey[]): VerificationKey[] {
  const byKid = new Map<string, VerificationKey>();
  for (const key of keys) {
    const known = byKid.get(key.kid);
    if (known !== undefined && known.x !== key.x) {
      throw wrong(`two different keys have the \`kid\` ${JSON.stringify(key.kid)}`);
    }
    byKid.set(key.kid, known === undefined ? key : merged(known, key));
  }
  return [...byKid.values()];
}

function merged(a: VerificationKey, b: VerificationKey): VerificationKey {
  const notBefore = Math.min(a.notBefore ?? -Infinity, b.notBefore ?? -Infinity);
  const notAfter = Math.max(a.notAfter ?? Infinity, b.notAfter ?? Infinity);
  const { kid, x } = a;
  return { kid, x, ...(notBefore > -Infinity && { notBefore }), ...(notAfter < Infinity && { notAfter }) };
}

function wrong(what: string, cause?: unknown): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_KEY', `this key set cannot be used: ${what}`, { cause });
}
