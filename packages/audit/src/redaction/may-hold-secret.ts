/** Secrets have a run of at least this many letters, digits, `_`, `-` and `+`, or a sign by which they are named. */
const RUN_MIN = 16;

const IS_RUN = new Uint8Array(128);
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+')
  IS_RUN[character.charCodeAt(0)] = 1;

/**
 * Whether a text is worth a pattern at all. Prose, routes and names are not, and they are nearly everything: this costs about a
 * nanosecond for each character, a regular expression of all that secrets begin with seven.
 */
export function mayHoldSecret(text: string): boolean {
  return hasSign(text) || hasRun(text);
}

/** `name: value`, `name=value`, `scheme://user:password@host`; and `…`, with which a truncation mark begins: what was cut may be short. */
function hasSign(text: string): boolean {
  return text.includes(':') || text.includes('=') || text.includes('…');
}

/** Looks at the last character that a run could have, and back from there: most are never looked at. */
function hasRun(text: string): boolean {
  let before = -1;
  for (let last = RUN_MIN - 1; last < text.length; last = before + RUN_MIN) {
    before = last;
    while (before > last - RUN_MIN && isRun(text.charCodeAt(before))) before -= 1;
    if (before === last - RUN_MIN) return true;
  }
  return false;
}

function isRun(code: number): boolean {
  return code < 128 && IS_RUN[code] === 1;
}
