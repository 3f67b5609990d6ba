/** Controls, marks that turn the direction of text or join it invisibly, separators, lone surrogates, letters that are blank. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]|\u115f|\u1160|\u3164|\uffa0|\u2800|\u034f/gu;
const TEXT_MAX = 160;

/**
 * Text of the ledger as it goes into a message: one line, bounded, nothing hidden. Whoever can write an event can write anything into
 * it, and a channel may be a terminal, a web page or a person's telephone.
 *
 * It escapes nothing that is markup somewhere (`<`, `*`, `@`): what is markup only the channel knows.
 *
 * @param max UTF-16 units after which it is cut, with `…`.
 */
export function plainText(value: unknown, max = TEXT_MAX): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  const cut = value.length > max ? `${value.slice(0, max)}…` : value;
  return cut.replace(INVISIBLE, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`);
}
