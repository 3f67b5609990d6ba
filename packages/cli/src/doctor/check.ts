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

/** The value at a path of an answer that nobody vouches for. */
export function at(value: unknown, ...path: readonly string[]): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== 'object' || here === null) return undefined;
    here = (here as Record<string, unknown>)[key];
  }
  return here;
}
