/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  readonly level: 'ok' | 'warn' | 'fail';
  /** What was found. */
  readonly text: string;
  /** What to do about it. */
  readonly advice?: string;
}

export function ok(name: string, text: string): Check {
  return { name, level: 'ok', text };
}

export function warn(name: string, text: string, advice: string): Check {
  return { name, level: 'warn', text, advice };
}

export function fail(name: string, text: string, advice: string): Check {
  return { name, level: 'fail', text, advice };
}

const NEARLY_FULL = 0.9;
const FILLING = 0.7;

/** How much of a limit is used. @param advice what to do before it is reached. */
export function fullnessCheck(
  name: string,
  { used, max, unit }: { readonly used: number; readonly max: number; readonly unit: string },
  advice: string,
): Check {
  const share = used / max;
  const text = `${Math.round(share * 100)} % of ${max} ${unit} used`;
  if (share >= NEARLY_FULL) return fail(name, text, advice);
  return share >= FILLING ? warn(name, text, advice) : ok(name, text);
}

/** The value at a path of an answer that nobody vouches for. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = (here as Record<string, unknown>)[key];
  }
  return here;
}
