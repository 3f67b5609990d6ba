/** The name that a misspelt one was probably meant to be: at most a third of its letters differ. */
export function nearestName(misspelt: string, names: readonly string[]): string | undefined {
  const distances = names.map((name) => ({ name, distance: editDistance(misspelt.toLowerCase(), name.toLowerCase()) }));
  const nearest = distances.reduce((a, b) => (b.distance < a.distance ? b : a), { name: '', distance: Infinity });
  return nearest.distance <= Math.max(1, Math.floor(misspelt.length / 3)) ? nearest.name : undefined;
}

/** Levenshtein's: letters to insert, delete or replace. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
