/**
 * The longest time within each window in which nothing was stored, in milliseconds: from the last message before it, and up
 * to the first one after it.
 *
 * @param {Float64Array} times when each message was stored
 * @param {number[]} starts moments of the faults, ascending, on the same clock; a window ends where the next one starts
 */
export function gapsAfter(times, starts) {
  const sorted = times.slice().sort();
  return starts.map((startMs, i) => {
    const endMs = starts[i + 1] ?? Number.POSITIVE_INFINITY;
    let at = firstFrom(sorted, startMs);
    let gapMs = 0;
    for (; at < sorted.length && (at === 0 || sorted[at - 1] < endMs); at += 1) {
      gapMs = Math.max(gapMs, sorted[at] - Math.max(startMs, sorted[at - 1] ?? startMs));
    }
    return gapMs;
  });
}

/** How long after each moment the first message was stored. */
export function resumedAfter(times, moments) {
  const sorted = times.slice().sort();
  return moments.map((moment) => (sorted[firstFrom(sorted, moment)] ?? Number.POSITIVE_INFINITY) - moment);
}

export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function firstFrom(sorted, value) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
