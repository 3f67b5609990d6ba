/** What is wrong with one rule. The compiler adds which one, and throws it as `SPANLEDGER_OPTION`. */
export class RuleProblem extends Error {
  override readonly name = 'RuleProblem';
}

export function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof RegExp);
}
