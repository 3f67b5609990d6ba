import { AUDIT_SUBJECT, decodeSubject, eventId, parseEvent } from '@spanledger/protocol';
import type { AuditEvent, LedgerRecord, Sha256 } from '@spanledger/protocol';
import { checkRun } from './check-run.ts';
import type { Finding } from './finding.ts';
import { hasRange, readLoss, unnumberedLoss } from './loss.ts';
import type { LossReport, RangeReport } from './loss.ts';
import { judgeHole } from './judge-hole.ts';
import { forEachRecord } from './records.ts';
import type { LedgerRecords } from './records.ts';
import type { LedgerReport, RunSummary } from './report.ts';
import { RunContents } from './run-contents.ts';
import { summarise, total } from './summarise.ts';

/** Runs that have ended and are still kept in full. */
const ENDED_MAX = 2_000;

export interface VerifyOptions {
  /** SHA-256 as 64 lowercase hex; in Node: `(bytes) => createHash('sha256').update(bytes).digest('hex')`. */
  readonly sha256: Sha256;
}

/**
 * Reads records to their end and says whether every number of every run is an event or a reported loss, and whether
 * each event links to the one before.
 *
 * The order of the records does not matter. An `audit_loss` covers what is read together with it: read one execution
 * together with its producers' instance runs. Bounds: see `LedgerVerifier`. It rejects only if `records` does.
 */
export async function verify(records: LedgerRecords, options: VerifyOptions): Promise<LedgerReport> {
  const verifier = new LedgerVerifier(options);
  await forEachRecord(records, (record) => verifier.add(record));
  return verifier.report();
}

/**
 * `verify`, step by step: for a reader that never comes to an end.
 *
 * Memory: about 100 bytes for each event, 400 where they are out of order or behind a hole; nothing of their content.
 */
export class LedgerVerifier {
  readonly #sha256: Sha256;
  readonly #runs = new Map<string, RunContents>();
  readonly #losses: LossReport[] = [];
  /** What is known on sight; the rest waits for the whole run. */
  readonly #onSight: Finding[] = [];
  /** Subjects repeat, event after event: one is decoded once. */
  #subject: { readonly text: string; readonly producer: string | undefined } | undefined;
  #foreign = 0;
  /** Oldest first. */
  readonly #justEnded: RunContents[] = [];

  constructor(options: VerifyOptions) {
    this.#sha256 = options.sha256;
  }

  /** Takes one record in. Never throws on what is in it. */
  add(record: LedgerRecord): void {
    const { bytes, streamSeq, subject } = record;
    const event = parseEvent(bytes);
    if (event === undefined) {
      this.#addStranger(record);
      return;
    }
    if (subject !== undefined && subject !== AUDIT_SUBJECT) this.#checkSubject(event, subject, streamSeq);
    const run = this.#run(event.run_id);
    const hash = this.#sha256(bytes);
    const hadEnded = run.terminalSeq !== undefined;
    if (!run.add(event, hash, streamSeq)) return;
    if (event.event === 'audit_loss') this.#losses.push(readLoss(event, hash, run));
    if (!hadEnded && run.terminalSeq !== undefined) this.#ended(run);
  }

  /** The verdict on everything added so far. More may be added after. */
  report(): LedgerReport {
    const findings = this.#onSight.concat(this.#losses.filter((loss) => !hasRange(loss)).map(unnumberedLoss));
    const lossesByRun = groupByRun(this.#losses.filter(hasRange));
    const runs: RunSummary[] = [];
    for (const run of this.#runs.values()) {
      const [owner] = run.producers();
      // A producer speaks for its own runs only, and writing into a run does not make it one's own.
      const losses = lossesByRun.get(run.runId)?.filter(({ producer }) => producer === owner) ?? [];
      const found = checkRun(run, losses);
      runs.push(summarise(run, found));
      findings.push(...found);
    }
    for (const [runId, losses] of lossesByRun) {
      if (!this.#runs.has(runId)) findings.push(...lostWhole(runId, losses));
    }
    return total(runs, findings, this.#foreign);
  }

  /** I7: what ended long ago is let go, except where something about it is still to be judged. */
  #ended(run: RunContents): void {
    this.#justEnded.push(run);
    if (this.#justEnded.length < ENDED_MAX) return;
    for (const ended of this.#justEnded.splice(0, ENDED_MAX / 2)) if (ended.isWhole) ended.letGo();
  }

  #run(runId: string): RunContents {
    let run = this.#runs.get(runId);
    if (run === undefined) this.#runs.set(runId, (run = new RunContents(runId)));
    return run;
  }

  #checkSubject(event: AuditEvent, subject: string, streamSeq: number): void {
    if (this.#subject?.text !== subject) this.#subject = { text: subject, producer: decodeSubject(subject)?.producer };
    const { run_id: runId, seq, producer } = event;
    if (this.#subject.producer === producer) return;
    const place = { runId, seq, eventId: eventId({ runId, seq }), streamSeq };
    this.#onSight.push({ cause: 'producer_mismatch', ...place, producer, subject });
  }

  #addStranger({ bytes, streamSeq, subject }: LedgerRecord): void {
    if (isForeign(bytes)) this.#foreign += 1;
    else this.#onSight.push({ cause: 'unparsable', streamSeq, ...(subject !== undefined && { subject }) });
  }
}

/** An event of the older profile: it has a name and a sequence of its own, but no run. */
function isForeign(bytes: Uint8Array): boolean {
  try {
    const event = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Partial<AuditEvent> | null;
    return typeof event?.event === 'string' && event.run_id === undefined;
  } catch {
    return false;
  }
}

function groupByRun(losses: readonly RangeReport[]): Map<string, RangeReport[]> {
  const byRun = new Map<string, RangeReport[]>();
  for (const loss of [...losses].sort(
    (a, b) => a.range.firstSeq - b.range.firstSeq || a.range.lastSeq - b.range.lastSeq,
  )) {
    const ofRun = byRun.get(loss.range.runId);
    if (ofRun === undefined) byRun.set(loss.range.runId, [loss]);
    else ofRun.push(loss);
  }
  return byRun;
}

/** A run of which nothing was read but the reports of its loss. What lies between them nobody claims. */
function lostWhole(runId: string, losses: readonly RangeReport[]): Finding[] {
  return losses.flatMap((loss) => judgeHole(runId, loss.range.firstSeq, loss.range.lastSeq, loss.streamSeq, [loss]));
}
