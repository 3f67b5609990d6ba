import canonicalize from 'canonicalize';

const encoder = new TextEncoder();

/**
 * RFC 8785 canonical JSON as UTF-8 bytes: what a signature covers.
 *
 * @throws TypeError or Error for what JSON cannot say exactly: NaN, infinities, lone surrogates, cycles.
 */
export function canonicalBytes(value: object): Uint8Array {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('this value has no JSON form');
  return encoder.encode(text);
}
