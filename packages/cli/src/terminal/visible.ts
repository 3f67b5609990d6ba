/**
 * Characters that do not show, or that make a terminal do something: C0 and C1 controls (with ESC, CSI and OSC), DEL, the
 * marks that turn the direction of text or join it invisibly, line separators, lone surrogates, private use, unassigned, and letters that are blank.
 */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]|\u115f|\u1160|\u3164|\uffa0|\u2800|\u034f/gu;
const BYTE_MAX = 0xff;
const UNIT_MAX = 0xffff;
const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };
/** Units of one value on a terminal; the whole of it is in `--json`. */
const TEXT_MAX = 500;

/**
 * Text of the ledger as it may go to a terminal: one line, nothing hidden, nothing executed. Whoever can write an event can
 * write anything into it, so **everything** that was read passes here on its way to the screen.
 *
 * @param max UTF-16 units after which it is cut, with `…`.
 */
export function visible(value: unknown, max = TEXT_MAX): string {
  const text = typeof value === 'string' ? value : String(value);
  // Cut first: a hostile value of 100 MB is not worth replacing in.
  const cut = text.length > max ? `${text.slice(0, max)}…` : text;
  return cut.replace(INVISIBLE, escapeCharacter);
}

function escapeCharacter(character: string): string {
  const named = NAMED[character];
  if (named !== undefined) return named;
  const code = character.codePointAt(0)!;
  const hex = code.toString(16);
  if (code <= BYTE_MAX) return `\\x${hex.padStart(2, '0')}`;
  return code <= UNIT_MAX ? `\\u${hex.padStart(4, '0')}` : `\\u{${hex}}`;
}

/** `JSON.stringify` escapes C0 controls and lone surrogates only. What is replaced here occurs in JSON only inside strings. */
const UNSAFE_IN_JSON = /[\p{C}\p{Zl}\p{Zp}]/gu;

/**
 * JSON of anything, in ASCII controls-free form: C1, DEL and direction marks are escaped too, as `\uXXXX`, so it parses to the
 * same value and is safe to look at. What is nested too deeply to be written is a string that says so.
 *
 * @param indent spaces for each level; 0 writes one line.
 */
export function toJson(value: unknown, indent = 0): string {
  // Line breaks are between tokens only.
  return stringify(value, indent).replace(UNSAFE_IN_JSON, (character) =>
    character === '\n' ? character : escapeUnits(character),
  );
}

function stringify(value: unknown, indent: number): string {
  try {
    return JSON.stringify(value, undefined, indent) ?? 'null';
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return JSON.stringify(withoutDepth(value), undefined, indent) ?? 'null';
  }
}

const DEPTH_MAX = 64;

/** A copy in which everything below 64 levels is left out. Properties are defined, not set: a key may be `__proto__`. */
function withoutDepth(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth === DEPTH_MAX) return '[nested too deeply]';
  if (Array.isArray(value)) return value.map((item) => withoutDepth(item, depth + 1));
  const copy: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    Object.defineProperty(copy, key, { value: withoutDepth(item, depth + 1), enumerable: true });
  }
  return copy;
}

function escapeUnits(character: string): string {
  let escaped = '';
  for (let i = 0; i < character.length; i += 1) {
    escaped += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
  }
  return escaped;
}
