// Work that comes at a rate, whatever becomes of it.
import { setTimeout as delay } from 'node:timers/promises';

const TICK_MS = 1;
/** What a late tick has missed it makes up for, up to so much: a machine that is too slow is offered less, not all at once. */
const TICK_MAX_MS = 20;

/**
 * Calls `make(i)` `perSecond` times a second while `isOn()`, in ticks of one to two milliseconds, as spans end in a busy
 * service.
 *
 * @returns how many a second were made.
 */
export async function offer(perSecond, isOn, make) {
  const startedMs = performance.now();
  let offeredMs = startedMs;
  let made = 0;
  while (isOn()) {
    const nowMs = performance.now();
    offeredMs = Math.max(offeredMs, nowMs - TICK_MAX_MS);
    for (; offeredMs < nowMs; offeredMs += 1000 / perSecond) make(made++);
    await delay(TICK_MS);
  }
  return (made * 1000) / (performance.now() - startedMs);
}

/** True for so long from now on. */
export function forSeconds(seconds) {
  const endMs = performance.now() + seconds * 1000;
  return () => performance.now() < endMs;
}
