// Of values in ascending order, and of values in any order.

export function percentile(sorted, p) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))];
}

export function median(values) {
  return percentile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}
