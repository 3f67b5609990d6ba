/**
 * Whether code that is not ours, and has to answer at once, answered with a promise. Its rejection is taken here: nobody else waits for
 * it, and one that nobody takes ends the process (I5).
 */
export function answersLater(answer: object): boolean {
  if (typeof (answer as { then?: unknown }).then !== 'function') return false;
  Promise.resolve(answer).then(undefined, () => {});
  return true;
}
