/** For a timer: Node's count to 2^31 - 1 ms (24 days), and fire at once for more: `Infinity` means as long as it takes. */
export function timerMs(deadlineMs: number): number {
  return Math.min(Math.max(0, deadlineMs), 2 ** 31 - 1);
}

/** Waits, but not for longer than this, in milliseconds. @returns false if the deadline came first. @throws what `done` rejects with before that. */
export async function within(done: Promise<unknown>, deadlineMs: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  // Referenced on purpose: the caller waits for it, and it never outlives the wait.
  const deadline = new Promise<false>((resolve) => (timer = setTimeout(resolve, timerMs(deadlineMs), false)));
  try {
    return await Promise.race([done.then(() => true), deadline]);
  } finally {
    clearTimeout(timer);
  }
}
