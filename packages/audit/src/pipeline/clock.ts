import type { HrTime } from '@opentelemetry/api';

/** The wall clock has been set when it is this far from where the monotonic clock says it should be. */
const DRIFT_MAX_MS = 2;

let wallMinusMonotonicMs = Date.now() - performance.now();

/**
 * The time now, with microseconds, which `Date.now()` does not have. It follows the wall clock when that is
 * set, as `performance.timeOrigin` does not.
 */
export function now(): HrTime {
  const monotonicMs = performance.now();
  const differenceMs = Date.now() - monotonicMs;
  if (Math.abs(differenceMs - wallMinusMonotonicMs) > DRIFT_MAX_MS) wallMinusMonotonicMs = differenceMs;
  const nowMs = wallMinusMonotonicMs + monotonicMs;
  const seconds = Math.floor(nowMs / 1000);
  return [seconds, Math.floor((nowMs - seconds * 1000) * 1_000_000)];
}
