import { eventId, parseEvent } from '@spanledger/protocol';
import type { AuditEvent, LedgerRecord, Sha256 } from '@spanledger/protocol';
import { append } from './append.ts';
import { checkRun } from './check-run.ts';
import { ClockCheck } from './clock-check.ts';
import { DowngradeCheck } from './downgrade-check.ts';
import { ExecutionScope } from './execution-scope.ts';
import { isName } from './field-values.ts';
import type { Finding, Place } from './finding.ts';
import { ForgeLedger } from '../forge/forge-ledger.ts';
import { HeadClaims, checkClaims, deletedRun, readClaims, storedAndGone } from './head-claims.ts';
import { groupByRun, hasRange, readLoss, unnumberedLoss } from './loss.ts';
import type { LossReport, RangeReport } from './loss.ts';
import { forEachRecord } from '../records/records.ts';
import type { LedgerRecords } from '../records/records.ts';
import type { LedgerReport, RunSummary } from './report.ts';
import { RunContents } from './run-contents.ts';
import { RunLosses } from './run-losses.ts';
import { RunStates } from './run-states.ts';
import { SignatureCheck, isSigned } from './signature-check.ts';
import type { SignatureOptions } from './signature-check.ts';
import { mismatchOf } from './subject-check.ts';
import { summarise, total } from './summarise.ts';

/** Runs that have ended and are still kept in full. */
const ENDED_MAX = 2_000;
const NONE: ReadonlySet<number> = new Set();

export interface VerifyOptions {
  /** SHA-256 as 64 lowercase hex; in Node: `(bytes) => createHash('sha256').update(bytes).digest('hex')`. */
  readonly sha256: Sha256;
  /** Without it signatures are not looked at. */
  readonly signatures?: SignatureOptions;
  /**
   * Only the runs of this execution are judged. Others that are read with them (their producers' instance runs, from the first event of
   * the execution on) bear witness: loss reports and checkpoints.
   */
  readonly execution?: string;
  /**
   * Whether the records begin where the ledger begins. Default true. If not (a part of a stream, or one whose oldest events have
   * expired), it is no finding that the first numbers of a run, or a run that is only spoken of, are not there.
   */
  readonly fromStart?: boolean;
  /** An event that was stored so much before it says that it happened is a `clock_skew`. Milliseconds; default 60,000. */
  readonly clockSkewMs?: number;
}

/**
 * Reads records to their end and says whether every number of every run is an event or a reported loss, whether each event links to
 * the one before, and whether what producers say of their runs, in checkpoints and signatures, holds.
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
 * Memory: about 100 bytes for each event of a run that is open, 400 where they are out of order or behind a hole; of runs that have
 * ended about 600 bytes and 16 for each event; nothing of their content.
 */
export class LedgerVerifier {
  readonly #options: VerifyOptions;
  readonly #runs = new Map<string, RunContents>();
  readonly #losses: LossReport[] = [];
  readonly #claims = new HeadClaims();
  readonly #states = new RunStates();
  readonly #forge: ForgeLedger;
  readonly #signatures: SignatureCheck | undefined;
  readonly #downgrades = new DowngradeCheck();
  readonly #scope: ExecutionScope | undefined;
  readonly #clock: ClockCheck;
  /** What is known on sight; the rest waits for the whole run. */
  readonly #onSight: Finding[] = [];
  /** Of each run, numbers whose content is not what was signed. */
  readonly #forged = new Map<string, Set<number>>();
  /** Oldest first. */
  readonly #justEnded: RunContents[] = [];

  constructor(options: VerifyOptions) {
    this.#options = options;
    this.#scope = options.execution === undefined ? undefined : new ExecutionScope(options.execution);
    this.#signatures = options.signatures && new SignatureCheck(options.signatures);
    this.#clock = new ClockCheck(options.clockSkewMs);
    this.#forge = new ForgeLedger(options, this.#signatures);
  }

  /** Takes one record in. Never throws on what is in it. */
  add(record: LedgerRecord): void {
    const event = parseEvent(record.bytes);
    if (event === undefined || !isName(event.run_id) || !isName(event.producer)) this.#addStranger(record);
    else this.#addEvent(event, record);
  }

  /** The verdict on everything added so far. More may be added after. */
  report(): LedgerReport {
    const findings = [
      ...this.#onSight,
      ...this.#downgrades.findings(),
      ...this.#losses.filter((loss) => !hasRange(loss)).map(unnumberedLoss),
    ];
    const lossesByRun = groupByRun(this.#losses.filter(hasRange));
    const runs: RunSummary[] = [];
    for (const run of this.#runs.values()) {
      if (!this.#isJudged(run)) continue;
      const found = this.#judge(run, lossesByRun.get(run.runId) ?? []);
      runs.push(summarise(run, found, this.#states.of(run)));
      append(findings, found);
    }
    append(findings, this.#missingRuns(lossesByRun));
    const all = [...this.#inScope(findings), ...this.#forge.findings()];
    const checked = this.#signatures && { validSignatures: this.#signatures.valid };
    return { ...total(runs, all, this.#forge.counts()), ...checked };
  }

  #addEvent(event: AuditEvent, { bytes, streamSeq, subject, storedAtMs }: LedgerRecord): void {
    const hash = this.#options.sha256(bytes);
    this.#scope?.see(event);
    const run = this.#run(event);
    this.#checkSubject(event, run, subject, streamSeq);
    const hadEnded = run.terminalSeq !== undefined;
    if (!run.add(event, hash, streamSeq)) return;
    const skew = this.#clock.check(event, streamSeq, storedAtMs);
    if (skew !== undefined) this.#onSight.push(skew);
    this.#checkSignature(event, streamSeq);
    if (event.event === 'audit_loss') this.#losses.push(readLoss(event, hash, run));
    for (const claim of readClaims(event, streamSeq)) this.#claims.add(claim, this.#runs.get(claim.runId));
    this.#states.see(event);
    if (!hadEnded && run.terminalSeq !== undefined) this.#ended(run);
  }

  #checkSubject(event: AuditEvent, run: RunContents, subject: string | undefined, streamSeq: number): void {
    if (subject === undefined || run.belongsOn(subject, event)) return;
    const mismatch = mismatchOf(event, subject, streamSeq);
    if (mismatch !== undefined) this.#onSight.push(mismatch);
  }

  #checkSignature(event: AuditEvent, streamSeq: number): void {
    if (this.#signatures === undefined) return;
    const { run_id: runId, seq } = event;
    const place: Place = { runId, seq, eventId: eventId({ runId, seq }), streamSeq };
    const finding = this.#signatures.check(event, place);
    if (finding?.cause !== 'signature_missing') this.#downgrades.see(event.event, place, isSigned(event));
    if (finding === undefined) return;
    this.#onSight.push(finding);
    if (finding.cause !== 'signature_invalid') return;
    const forged = this.#forged.get(finding.runId);
    if (forged === undefined) this.#forged.set(finding.runId, new Set([finding.seq]));
    else forged.add(finding.seq);
  }

  #judge(run: RunContents, reported: readonly RangeReport[]): Finding[] {
    const { fromStart = true } = this.#options;
    const { runId } = run;
    const [owner] = run.producers();
    const claims = this.#claims.of(runId, run);
    // A producer speaks for its own runs only, and writing into a run does not make it one's own.
    const own = reported.filter(({ producer }) => producer === owner);
    const losses = new RunLosses(runId, own, storedAndGone(run, claims));
    const forged = this.#forged.get(runId) ?? NONE;
    const claimed = checkClaims(run, claims, losses).filter(({ seq }) => !forged.has(seq));
    const rewritten = claimed.filter(({ kind }) => kind === 'rewritten').map(({ seq }) => seq);
    const suspects = rewritten.length === 0 ? forged : new Set([...forged, ...rewritten]);
    return [...checkRun(run, { losses, suspects, fromStart }), ...claimed];
  }

  /** What is only spoken of: reported lost, or said to be stored. */
  #missingRuns(lossesByRun: ReadonlyMap<string, readonly RangeReport[]>): Finding[] {
    const findings: Finding[] = [];
    for (const [runId, losses] of lossesByRun) {
      if (!this.#runs.has(runId)) append(findings, new RunLosses(runId, losses, NONE).findings);
    }
    const { execution, fromStart = true } = this.#options;
    // Of which execution it was, nobody says.
    if (execution !== undefined || !fromStart) return findings;
    for (const runId of this.#claims.runIds) {
      if (!this.#runs.has(runId)) append(findings, deletedRun(this.#claims.of(runId, undefined)));
    }
    return findings;
  }

  #isJudged({ runId }: RunContents): boolean {
    return this.#scope === undefined || this.#scope.hasRun(runId);
  }

  #inScope(findings: readonly Finding[]): readonly Finding[] {
    const scope = this.#scope;
    return scope === undefined ? findings : findings.filter((finding) => scope.has(finding));
  }

  /** I7: what ended long ago is let go, except where something about it is still to be judged. */
  #ended(run: RunContents): void {
    this.#justEnded.push(run);
    if (this.#justEnded.length < ENDED_MAX) return;
    for (const ended of this.#justEnded.splice(0, ENDED_MAX / 2)) if (ended.isWhole) ended.letGo();
  }

  #run(event: AuditEvent): RunContents {
    let run = this.#runs.get(event.run_id);
    if (run === undefined) this.#runs.set(event.run_id, (run = new RunContents(event)));
    return run;
  }

  #addStranger(record: LedgerRecord): void {
    const { streamSeq, subject } = record;
    if (this.#forge.add(record)) return;
    this.#onSight.push({ cause: 'unparsable', streamSeq, ...(subject !== undefined && { subject }) });
  }
}
