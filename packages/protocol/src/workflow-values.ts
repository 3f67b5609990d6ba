/** Around the value only what HTTP calls optional white space: a line break is never part of a good header. */
const ID = /^[ \t]*([!-~]{1,128})[ \t]*$/;
const POSITIVE_INTEGER = /^[1-9][0-9]{0,15}$/;

/**
 * Reads one id from an untrusted source.
 *
 * @returns the id: 1 to 128 visible ASCII characters after trimming spaces and tabs. `undefined` for
 * anything else; it never throws.
 */
export function parseId(raw: unknown): string | undefined {
  // The length is checked first: a 100 kB header must not cost a match.
  if (typeof raw !== 'string' || raw.length > 1024) return undefined;
  return ID.exec(raw)?.[1];
}

/**
 * Reads an attempt number from an untrusted source: decimal digits, from 1 to 2^53 - 1.
 *
 * @returns the number, or `undefined`; it never throws.
 */
export function parseAttempt(raw: unknown): number | undefined {
  if (typeof raw === 'number') return Number.isSafeInteger(raw) && raw >= 1 ? raw : undefined;
  const digits = parseId(raw);
  if (digits === undefined || !POSITIVE_INTEGER.test(digits)) return undefined;
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : undefined;
}
