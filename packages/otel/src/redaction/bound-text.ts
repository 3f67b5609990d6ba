/** A string of at most `max` UTF-16 units and its truncation mark (`…[truncated:<units cut>]`), without lone surrogates. */
export function boundText(text: string, max: number): string {
  if (text.length <= max) return text.toWellFormed();
  // A pair is not cut in half.
  const end = isHighSurrogate(text.charCodeAt(max - 1)) ? max - 1 : max;
  return `${text.slice(0, end).toWellFormed()}…[truncated:${text.length - end}]`;
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}
