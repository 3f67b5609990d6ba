import v8 from 'node:v8';
import vm from 'node:vm';

/** Stands at the end of every text, so that a search that is not cut short finds something. */
const END = '\ue000';

// V8 can be told to give a search up after so many steps back: that many is its work, the same on every machine. Some loops
// it makes shorter, and does not count then.
v8.setFlagsFromString('--no-regexp-optimization');
// Interpreted at first and compiled later, the same search would be counted differently.
v8.setFlagsFromString('--no-regexp-tier-up');
v8.setFlagsFromString('--allow-natives-syntax');
const limited = vm.runInThisContext('(source, flags, steps) => %NewRegExpWithBacktrackLimit(source, flags, steps)') as (
  source: string,
  flags: string,
  steps: number,
) => RegExp;

const compiled = new Map<string, RegExp>();

/** The steps back that V8 takes to find all of a pattern in a text, rounded up to a power of two for each match. */
export function countSteps(pattern: RegExp, text: string): number {
  const ended = text + END;
  let total = 0;
  for (let at = 0; at < ended.length;) {
    const { match, steps } = search(pattern, ended, at);
    total += steps;
    at = match.index + Math.max(1, match[0].length);
  }
  return total;
}

function search(pattern: RegExp, text: string, at: number): { match: RegExpExecArray; steps: number } {
  for (let steps = 1; ; steps *= 2) {
    const regexp = withLimit(pattern, steps);
    regexp.lastIndex = at;
    const match = regexp.exec(text);
    if (match !== null) return { match, steps };
  }
}

function withLimit({ source, flags }: RegExp, steps: number): RegExp {
  const key = `${steps} ${flags} ${source}`;
  const regexp = compiled.get(key) ?? limited(`(?:${source})|${END}`, flags.replace('g', '') + 'g', steps);
  compiled.set(key, regexp);
  return regexp;
}
