let cachedSecond = Number.NaN;
let cachedPrefix = '';

/**
 * RFC 3339, UTC, microseconds: `2026-01-02T03:04:05.000006Z`. Nanoseconds are cut, not rounded, so that a time is never
 * later than it was.
 *
 * @param time seconds since 1970 and nanoseconds, as OpenTelemetry's `HrTime`.
 */
export function formatTimestamp(time: readonly [seconds: number, nanos: number]): string {
  const [second, nanos] = time;
  // Formatting the date costs ten times as much as the rest, and events come many to a second.
  if (second !== cachedSecond) {
    cachedPrefix = new Date(second * 1000).toISOString().slice(0, 20);
    cachedSecond = second;
  }
  return `${cachedPrefix}${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`;
}
