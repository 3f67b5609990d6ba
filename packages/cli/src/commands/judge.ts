import { LedgerRoster, LedgerVerifier } from '@spanledger/ledger';
import type { Finding, LedgerReport, ProducerAbsentFinding, VerifyOptions } from '@spanledger/ledger';
import type { LedgerRecord } from '@spanledger/protocol';
import { sha256 } from '../run/sha256.ts';
import { HARMLESS } from './finding-sentence.ts';

export interface JudgeOptions extends Omit<VerifyOptions, 'sha256'> {
  /** Whether whom orchestrators called must be there: only where all of an execution is read. */
  readonly roster?: boolean;
}

/** What the verifier says, and the roster. */
export interface Report extends Omit<LedgerReport, 'findings'> {
  readonly findings: readonly (Finding | ProducerAbsentFinding)[];
}

/** Reads records to their end. */
export async function judge(records: AsyncIterable<LedgerRecord>, options: JudgeOptions): Promise<Report> {
  const verdict = new Judge(options);
  for await (const record of records) verdict.add(record);
  return verdict.report();
}

/** The verifier and the roster, for a reader that has more to do with each record than to judge it. */
export class Judge {
  readonly #verifier: LedgerVerifier;
  readonly #roster: LedgerRoster | undefined;
  readonly #execution: string | undefined;

  constructor({ roster, ...options }: JudgeOptions) {
    this.#verifier = new LedgerVerifier({ ...options, sha256 });
    this.#roster = roster ? new LedgerRoster() : undefined;
    this.#execution = options.execution;
  }

  add(record: LedgerRecord): void {
    this.#verifier.add(record);
    this.#roster?.add(record);
  }

  report(): Report {
    const report = this.#verifier.report();
    const absent = this.#roster?.report().findings ?? [];
    return withFindings(report, [...report.findings, ...absent.filter((finding) => this.#isJudged(finding))]);
  }

  #isJudged({ executionId }: ProducerAbsentFinding): boolean {
    return this.#execution === undefined || executionId === this.#execution;
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
