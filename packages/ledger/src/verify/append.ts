/** `target.push(...items)` for any number of them: a call has room for some hundred thousand arguments only. */
export function append<T>(target: T[], items: Iterable<T>): void {
  for (const item of items) target.push(item);
}
