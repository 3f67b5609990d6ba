import { setTimeout as delay } from 'node:timers/promises';

const POLL_MS = 25;

/**
 * Polls until `probe` gives something that is neither `undefined` nor `false`.
 *
 * @param {() => string} whatFailed asked only if it never does, or `signal` is aborted before
 */
export async function waitFor(whatFailed, probe, { deadlineMs = 180_000, signal } = {}) {
  const startedMs = performance.now();
  const waitedMs = () => Math.round(performance.now() - startedMs);
  while (waitedMs() < deadlineMs && !signal?.aborted) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    await delay(POLL_MS);
  }
  throw new Error(`waited ${waitedMs()} ms: ${whatFailed()}`);
}

/** Milliseconds, within the case's time limit. */
export function pause({ signal }, ms) {
  return delay(ms, undefined, { signal });
}
