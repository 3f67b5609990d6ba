import { LedgerRoster, LedgerVerifier } from '@spanledger/ledger';
import type { Finding, LedgerReport, ProducerAbsentFinding, VerifyOptions } from '@spanledger/ledger';
import { parseEvent } from '@spanledger/protocol';
import type { LedgerRecord } from '@spanledger/protocol';
import { sha256 } from '../run/sha256.ts';
import { HARMLESS } from './finding-sentence.ts';

export interface JudgeOptions extends Omit<VerifyOptions, 'sha256' | 'execution'> {
  /** Whether whom orchestrators called must be there: only where all of an execution is read. */
  readonly roster?: boolean;
}

/** What the verifier says, and the roster. */
export interface Report extends Omit<LedgerReport, 'findings'> {
  readonly findings: readonly (Finding | ProducerAbsentFinding)[];
}

/** Reads records to their end. */
export async function judge(records: AsyncIterable<LedgerRecord>, options: JudgeOptions): Promise<Report> {
  const verifier = new LedgerVerifier({ ...options, sha256 });
  const roster = new LedgerRoster();
  for await (const record of records) {
    verifier.add(record);
    if (options.roster) roster.add(record);
  }
  const report = verifier.report();
  return withFindings(report, [...report.findings, ...roster.report().findings]);
}

/**
 * Judges one execution. What is no event of a run (unparsable, or of Forge's own profile) belongs to no execution in the eyes of a
 * verifier; it was stored under this one, so it is judged here as well.
 */
export class ExecutionJudge {
  readonly #runs: LedgerVerifier;
  readonly #others: LedgerVerifier;
  readonly #roster = new LedgerRoster();

  readonly #execution: string;

  constructor(execution: string, options: JudgeOptions) {
    this.#execution = execution;
    this.#runs = new LedgerVerifier({ ...options, sha256, execution });
    this.#others = new LedgerVerifier({ ...options, sha256 });
  }

  /** One of its own events. */
  add(record: LedgerRecord): void {
    if (parseEvent(record.bytes) === undefined) this.#others.add(record);
    else this.addReport(record);
  }

  /** What a process of one of its producers reports. */
  addReport(record: LedgerRecord): void {
    this.#runs.add(record);
    this.#roster.add(record);
  }

  report(): Report {
    const [runs, others] = [this.#runs.report(), this.#others.report()];
    const absent = this.#roster.report().findings.filter(({ executionId }) => executionId === this.#execution);
    const findings = [...runs.findings, ...others.findings, ...absent];
    return withFindings({ ...runs, forgeEvents: others.forgeEvents }, findings);
  }
}

/** The report with other findings, and the verdict that follows from them. */
export function withFindings(report: Omit<Report, 'findings'>, findings: Report['findings']): Report {
  return {
    ...report,
    findings: [...findings].sort((a, b) => a.streamSeq - b.streamSeq),
    gaps: findings.filter(({ cause }) => cause === 'gap').length,
    verified: findings.every(({ cause }) => HARMLESS.has(cause)),
  };
}
