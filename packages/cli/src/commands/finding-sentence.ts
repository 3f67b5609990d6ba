type Fields = Readonly<Record<string, unknown>>;

/** One sentence for each cause. A cause that is not here is printed with all its fields: the ledger learns to find more. */
const SENTENCES: Readonly<Record<string, (finding: Fields) => string>> = {
  gap: (f) => `${numbers(f)} missing, and nobody reported them lost`,
  loss: (f) => `${numbers(f)} lost, as their producer reported in ${text(f['reportedBy'])} (${text(f['reason'])})`,
  loss_unnumbered: (f) => `${text(f['count'])} events were lost before they had a number (${text(f['reason'])})`,
  conflict: () => 'one number with two different contents',
  broken_chain: () => 'does not link to the event before it: one of the two is not as it was sealed',
  producer_mismatch: (f) => `names the producer ${text(f['producer'])}, but was published on ${text(f['subject'])}`,
  foreign_producer: (f) => `${text(f['producer'])} wrote into a run of ${text(f['owner'])}`,
  unparsable: () => 'this record is no event',
};

/** In every finding, and shown beside the sentence. */
const SHOWN_BESIDE: ReadonlySet<string> = new Set(['cause', 'runId', 'seq', 'eventId', 'streamSeq']);

/** What was found, in words. It holds text of the ledger: `visible` before it goes to a terminal. */
export function findingSentence(finding: Fields): string {
  const known = SENTENCES[text(finding['cause'])];
  if (known !== undefined) return known(finding);
  const rest = Object.entries(finding).filter(([key]) => !SHOWN_BESIDE.has(key));
  const words = text(finding['cause']).replaceAll('_', ' ');
  return [words, ...rest.map(([key, value]) => `${key}=${text(value)}`)].join(' ');
}

function numbers({ seq, lastSeq }: Fields): string {
  return seq === lastSeq ? `number ${text(seq)} is` : `numbers ${text(seq)} to ${text(lastSeq)} are`;
}

function text(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
