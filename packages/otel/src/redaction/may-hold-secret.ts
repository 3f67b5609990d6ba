import { KEY_HINT, NAME_HINT, SIGN_HINT } from './secret-patterns.ts';

/** Keys have a run of at least this many letters, digits, `_`, `-`, `+` and `/`. */
const RUN_MIN = 15;

/** What stands before secrets that may be shorter. */
const SIGNS = ['--', '>', 'earer', 'EARER', 'asic', 'oken'];

const IS_RUN = new Uint8Array(128);
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+/')
  IS_RUN[character.charCodeAt(0)] = 1;

/**
 * Whether a text is worth the patterns at all. Prose, routes and names are not, and they are nearly everything: to see that they
 * have neither a run nor a sign costs a nanosecond for a character at most, and a regular expression several.
 */
export function mayHoldSecret(text: string): boolean {
  if ((text.includes(':') || text.includes('=')) && NAME_HINT.test(text)) return true;
  // With `…` a truncation mark begins: of a key that was cut, any part may be left.
  if (hasRun(text) || text.includes('…')) return KEY_HINT.test(text);
  return SIGNS.some((sign) => text.includes(sign)) && SIGN_HINT.test(text);
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
