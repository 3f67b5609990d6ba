/** 9999-12-31T23:59:59Z, the last second that RFC 3339 can write. */
const LAST_SECOND = 253_402_300_799;

let cachedSecond = Number.NaN;
let cachedPrefix = '';

/**
 * RFC 3339, UTC, microseconds: `2026-01-02T03:04:05.000006Z`. Nanoseconds are cut, not rounded, so that a time is never
 * later than it was.
 *
 * @param time seconds since 1970 and nanoseconds (0 to 999,999,999), as OpenTelemetry's `HrTime`.
 * @throws RangeError for a time before 1970 or after 9999, and for what is no time at all.
 */
export function formatTimestamp(time: readonly [seconds: number, nanos: number]): string {
  const [second, nanos] = time;
  if (!(nanos >= 0 && nanos < 1e9)) throw new RangeError(`${nanos} is not a number of nanoseconds in a second`);
  // Formatting the date costs ten times as much as the rest, and events come many to a second.
  if (second !== cachedSecond) {
    if (!(second >= 0 && second <= LAST_SECOND)) throw new RangeError(`${second} is not a second from 1970 to 9999`);
    cachedPrefix = new Date(second * 1000).toISOString().slice(0, 20);
    cachedSecond = second;
  }
  return `${cachedPrefix}${String(Math.floor(nanos / 1000)).padStart(6, '0')}Z`;
}
