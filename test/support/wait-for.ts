import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 25;

/** Polls until `probe` gives something; `whatFailed` is asked only if it never does. */
export async function waitFor<T>(
  whatFailed: () => string,
  probe: () => T | undefined | Promise<T | undefined>,
  deadlineMs = 120_000,
): Promise<T> {
  for (const end = performance.now() + deadlineMs; performance.now() < end; await delay(POLL_MS)) {
    const found = await probe();
    if (found !== undefined) return found;
  }
  throw new Error(`waited ${deadlineMs} ms: ${whatFailed()}`);
}
