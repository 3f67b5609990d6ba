import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 25;

/**
 * Polls until `probe` gives something that is neither `undefined` nor `false`.
 *
 * @param {() => string} whatFailed asked only if it never does
 */
export async function waitFor(whatFailed, probe, { deadlineMs = 60_000, signal } = {}) {
  for (
    const end = performance.now() + deadlineMs;
    performance.now() < end;
    await delay(POLL_MS, undefined, { signal })
  ) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
  }
  throw new Error(`waited ${deadlineMs} ms: ${whatFailed()}`);
}

/** Milliseconds, within the case's time limit. */
export function pause({ signal }, ms) {
  return delay(ms, undefined, { signal });
}
