const COUNTS = ['offered', 'accepted', 'stored', 'reported', 'lost', 'unreported', 'duplicates'];

/** The figures of several ledgers as those of one: counts and the notes of `account` are added up. */
export function addUp(parts) {
  const sum = (pick) => parts.reduce((total, part) => total + pick(part), 0);
  const notes = Object.keys(parts[0].notes).map((name) => [name, sum((part) => part.notes[name] ?? 0)]);
  return {
    ...Object.fromEntries(COUNTS.map((key) => [key, sum((part) => part[key])])),
    problems: parts.flatMap(({ problems }) => problems),
    notes: Object.fromEntries(notes),
  };
}
