import type { HrTime } from '@opentelemetry/api';

let wallMinusMonotonicMs = performance.timeOrigin;

/**
 * The time now, with microseconds. `Date.now()` has none, and `performance.timeOrigin` does not follow the wall clock when that
 * is set; so this one counts the microseconds, and always agrees with `Date.now()` on the millisecond.
 */
export function now(): HrTime {
  const wallMs = Date.now();
  const monotonicMs = performance.now();
  let nowMs = wallMinusMonotonicMs + monotonicMs;
  if (nowMs < wallMs || nowMs >= wallMs + 1) {
    wallMinusMonotonicMs = wallMs - monotonicMs;
    nowMs = wallMs;
  }
  const seconds = Math.floor(nowMs / 1000);
  return [seconds, Math.floor((nowMs - seconds * 1000) * 1_000_000)];
}
