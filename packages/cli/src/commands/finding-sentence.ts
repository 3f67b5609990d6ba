import { durationText } from './event-text.ts';

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
  fork: (f) => `from here to number ${text(f['lastSeq'])} the run goes on in two ways: one seal was used twice`,
  subject_mismatch: (f) => `says that it belongs elsewhere than ${text(f['subject'])}, where it was published`,
  signature_missing: () => 'is not signed, and must be',
  signature_downgraded: () => 'is not signed, and others of its run are',
  signature_invalid: (f) => `its signature by ${text(f['kid'])} does not hold: it is not what was signed`,
  signature_unknown_key: (f) => `is signed with ${text(f['kid'])}, which is not among your keys`,
  signature_expired_key: (f) => `is signed with ${text(f['kid'])}, which was not valid then`,
  checkpoint_mismatch: checkpointSentence,
  clock_skew: (f) => `was stored ${durationText(f['skewMs'])} before it says that it happened: a clock is ahead`,
  producer_absent: (f) =>
    `called ${text(f['host'] ?? 'somebody')}, whose run ${text(f['absentRunId'])} answered and is not here`,
  unparsable: () => 'this record is no event',
};

/** In every finding, and shown beside the sentence. */
const SHOWN_BESIDE: ReadonlySet<string> = new Set(['cause', 'runId', 'seq', 'eventId', 'streamSeq']);

/** What was found, in words. It holds text of the ledger: `visible` before it goes to a terminal. */
export function findingSentence(finding: Fields): string {
  const known = Object.hasOwn(SENTENCES, text(finding['cause'])) ? SENTENCES[text(finding['cause'])] : undefined;
  if (known !== undefined) return known(finding);
  const rest = Object.entries(finding).filter(([key]) => !SHOWN_BESIDE.has(key));
  const words = text(finding['cause']).replaceAll('_', ' ');
  return [words, ...rest.map(([key, value]) => `${key}=${text(value)}`)].join(' ');
}

function checkpointSentence(finding: Fields): string {
  const claim = `as ${text(finding['claimedBy'])} says`;
  if (finding['kind'] === 'run_deleted')
    return `the whole run is missing, with numbers up to ${text(finding['lastSeq'])}, ${claim}`;
  if (finding['kind'] === 'tail_cut') return `${numbers(finding)} missing at the end of the run, ${claim}`;
  return `had another content when it was stored, ${claim}`;
}

function numbers({ seq, lastSeq }: Fields): string {
  return seq === lastSeq ? `number ${text(seq)} is` : `numbers ${text(seq)} to ${text(lastSeq)} are`;
}

function text(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** Findings that say nothing against the record. */
export const HARMLESS: ReadonlySet<unknown> = new Set(['loss', 'loss_unnumbered', 'clock_skew']);
