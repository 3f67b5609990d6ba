import { LedgerVerifier } from '@spanledger/ledger';
import type { LedgerReport, VerifyOptions } from '@spanledger/ledger';
import { parseEvent } from '@spanledger/protocol';
import type { LedgerRecord } from '@spanledger/protocol';
import { sha256 } from '../run/sha256.ts';
import { HARMLESS } from './finding-sentence.ts';

export type JudgeOptions = Omit<VerifyOptions, 'sha256' | 'execution'>;

/** Reads records to their end. */
export async function judge(records: AsyncIterable<LedgerRecord>, options: JudgeOptions): Promise<LedgerReport> {
  const verifier = new LedgerVerifier({ ...options, sha256 });
  for await (const record of records) verifier.add(record);
  return verifier.report();
}

/**
 * Judges one execution. What is no event of a run (unparsable, or of Forge's own profile) belongs to no execution in the eyes of a
 * verifier; it was stored under this one, so it is judged here as well.
 */
export class ExecutionJudge {
  readonly #runs: LedgerVerifier;
  readonly #others: LedgerVerifier;

  constructor(execution: string, options: JudgeOptions) {
    this.#runs = new LedgerVerifier({ ...options, sha256, execution });
    this.#others = new LedgerVerifier({ ...options, sha256 });
  }

  /** One of its own events. */
  add(record: LedgerRecord): void {
    if (parseEvent(record.bytes) === undefined) this.#others.add(record);
    else this.#runs.add(record);
  }

  /** What a process of one of its producers reports. */
  addReport(record: LedgerRecord): void {
    this.#runs.add(record);
  }

  report(): LedgerReport {
    const [runs, others] = [this.#runs.report(), this.#others.report()];
    return withFindings({ ...runs, forgeEvents: others.forgeEvents }, [...runs.findings, ...others.findings]);
  }
}

/** The report with other findings, and the verdict that follows from them. */
export function withFindings(report: LedgerReport, findings: LedgerReport['findings']): LedgerReport {
  return {
    ...report,
    findings: [...findings].sort((a, b) => a.streamSeq - b.streamSeq),
    gaps: findings.filter(({ cause }) => cause === 'gap').length,
    verified: findings.every(({ cause }) => HARMLESS.has(cause)),
  };
}
