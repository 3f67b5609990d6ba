import { createHash } from 'node:crypto';
import { inOneForm } from './one-form.ts';

/**
 * The part of the independent reader that holds a ledger against what it says of itself (DESIGN §3.3). Like the rest of it, it
 * imports nothing of ours.
 */

/** A claim: this event of that run is in the ledger with this hash, and so is all that leads to it. */
interface Head {
  readonly run_id: string;
  readonly last_seq: number;
  readonly head_hash: string;
}

interface LedgerEvent {
  readonly event: string;
  readonly producer: string;
  readonly run_id: string;
  readonly seq: number;
  readonly fields?: Partial<Head> & { readonly runs?: readonly Head[]; readonly predecessor?: Head; final?: boolean };
}

/** What has been read of one run so far. */
class RunSoFar {
  readonly runId: string;
  readonly producer: string;
  lastSeq = 0;
  /** Everything up to this number is there. */
  wholeThrough = 0;
  /** Up to where checkpoints name it. */
  namedThrough = 0;
  /** What checkpoints have to name: all but checkpoints, of which the last ones have none after them. */
  lastToName = 0;
  hasCheckpoints = false;
  /** Number of the final checkpoint; 0 without one. */
  finalSeq = 0;
  /** Where it ends according to `run_abandoned`. */
  abandonedAt: number | undefined;
  readonly #hashes = new Map<number, string>();

  constructor({ run_id: runId, producer }: LedgerEvent) {
    this.runId = runId;
    this.producer = producer;
  }

  add({ event, seq, fields }: LedgerEvent, hash: string): void {
    if (!this.#hashes.has(seq)) this.#hashes.set(seq, hash); // A copy changes nothing: its first place counts.
    while (this.#hashes.has(this.wholeThrough + 1)) this.wholeThrough += 1;
    this.lastSeq = Math.max(this.lastSeq, seq);
    if (event !== 'audit_checkpoint') this.lastToName = Math.max(this.lastToName, seq);
    else this.hasCheckpoints = true;
    if (event === 'audit_checkpoint' && fields?.final === true) this.finalSeq = seq;
  }

  hashOf(seq: number): string | undefined {
    return this.#hashes.get(seq);
  }
}

/**
 * Holds a ledger against what it says of itself.
 *
 * - What a checkpoint, a `run_abandoned` or the `predecessor` of an instance run's first event names is at an earlier place,
 *   with exactly that hash, as is all that leads to it; and it is of the same producer.
 * - Every run is named by checkpoints up to its last event; checkpoints themselves need not be.
 * - A run with checkpoints ends with the final one. An abandoned run ends where it is said to end.
 *
 * @param events the whole ledger, in the order of their places.
 * @param killed `run_id` of runs whose process did not end in order: what is said of them must be true, but may be incomplete.
 * @returns what is not so, in words; nothing if all is.
 */
export function checkCheckpoints(
  events: Iterable<Uint8Array | { readonly bytes: Uint8Array }>,
  killed: ReadonlySet<string> = new Set(),
): string[] {
  const runs = new Map<string, RunSoFar>();
  const problems: string[] = [];
  for (const item of events) {
    const bytes = 'bytes' in item ? item.bytes : item;
    const parsed = JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, unknown>;
    const event = inOneForm(parsed) as unknown as LedgerEvent;
    // First: what it names must have come before it.
    problems.push(...checkClaims(event, runs));
    const run = runs.get(event.run_id) ?? new RunSoFar(event);
    runs.set(event.run_id, run);
    run.add(event, createHash('sha256').update(bytes).digest('hex'));
  }
  for (const run of runs.values()) {
    if (!killed.has(run.runId)) problems.push(...checkComplete(run));
    const { runId, lastSeq, abandonedAt = lastSeq } = run;
    if (abandonedAt !== lastSeq) problems.push(`${runId} was abandoned at ${abandonedAt}, and ends at ${lastSeq}`);
  }
  return problems;
}

function checkClaims(event: LedgerEvent, runs: ReadonlyMap<string, RunSoFar>): string[] {
  return claimsOf(event).flatMap((head) => {
    const what = `${event.event} ${event.run_id}:${event.seq} names ${head.run_id}:${head.last_seq}`;
    const run = runs.get(head.run_id);
    if (run === undefined || run.wholeThrough < head.last_seq)
      return `${what}, and not all up to there comes before it`;
    if (event.event === 'audit_checkpoint') run.namedThrough = Math.max(run.namedThrough, head.last_seq);
    if (event.event === 'run_abandoned') run.abandonedAt = head.last_seq;
    if (run.hashOf(head.last_seq) !== head.head_hash) return `${what} with another hash`;
    return run.producer === event.producer ? [] : `${what}, which is of ${run.producer}`;
  });
}

function claimsOf({ event, seq, fields = {} }: LedgerEvent): Head[] {
  const { runs = [], predecessor } = fields;
  return [
    ...(event === 'audit_checkpoint' ? runs : []),
    ...(event === 'run_abandoned' ? [fields as Head] : []),
    ...(seq === 1 && predecessor !== undefined ? [predecessor] : []),
  ];
}

function checkComplete({ runId, lastSeq, lastToName, namedThrough, hasCheckpoints, finalSeq }: RunSoFar): string[] {
  return [
    ...(namedThrough < lastToName ? [`${runId} is named up to ${namedThrough}, and goes up to ${lastToName}`] : []),
    ...(hasCheckpoints && finalSeq !== lastSeq ? [`${runId} does not end with the final checkpoint`] : []),
  ];
}
