/** What a key may hold as it is. `.` is left out, because it separates; `=`, because it begins an escape. */
const RESERVED = /[^A-Za-z0-9/_-]/g;
/** A key must not begin like one of the bucket's own (`_kv`). */
const LEADING_UNDERSCORE = /^_/;

/**
 * The key of several ids: each in letters, digits, `-`, `_` and `/` as it is, everything else as `=XX` (its code in uppercase hex), with
 * dots in between. Different ids have different keys, and a person can read them.
 *
 * @param ids visible ASCII characters, one at least in each.
 */
export function encodeKey(...ids: readonly string[]): string {
  return ids
    .map((id) => id.replace(RESERVED, escape))
    .join('.')
    .replace(LEADING_UNDERSCORE, escape);
}

function escape(character: string): string {
  return `=${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
