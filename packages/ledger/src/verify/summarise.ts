import type { Finding } from './finding.ts';
import type { ForgeCounts } from '../forge/forge-ledger.ts';
import type { LedgerCounts, LedgerReport, RunSummary } from './report.ts';
import type { RunContents } from './run-contents.ts';
import type { RunStanding } from './run-states.ts';

/** @param found what `checkRun` found in it. */
export function summarise(run: RunContents, found: readonly Finding[], standing: RunStanding): RunSummary {
  const { terminalSeq } = run;
  return {
    runId: run.runId,
    producers: run.producers().sort(),
    events: run.events,
    lastSeq: run.lastSeq,
    ...standing,
    lateEvents: terminalSeq === undefined ? 0 : run.countAfter(terminalSeq),
    duplicates: run.duplicates,
    reordered: run.reordered,
    ...countFindings(found),
  };
}

/** Of what was found, these say nothing against the record. */
const HARMLESS: ReadonlySet<Finding['cause']> = new Set(['loss', 'loss_unnumbered', 'clock_skew']);

export function total(runs: readonly RunSummary[], findings: readonly Finding[], forge: ForgeCounts): LedgerReport {
  const sum = (count: (run: RunSummary) => number): number => runs.reduce((before, run) => before + count(run), 0);
  return {
    runs: [...runs].sort((a, b) => compare(a.runId, b.runId)),
    openRuns: countWhere(runs, (run) => run.state === 'open'),
    abandonedRuns: countWhere(runs, (run) => run.state === 'abandoned'),
    producers: [...new Set(runs.flatMap((run) => run.producers).concat(forge.producers))].sort(),
    events: sum((run) => run.events),
    duplicates: sum((run) => run.duplicates) + forge.duplicates,
    reordered: sum((run) => run.reordered),
    ...countFindings(findings),
    forgeEvents: forge.events,
    findings: [...findings].sort(byPlace),
    verified: findings.every(({ cause }) => HARMLESS.has(cause)),
  };
}

type FromFindings = Pick<LedgerCounts, 'gaps' | 'losses' | 'conflicts' | 'chain'>;

function countFindings(findings: readonly Finding[]): FromFindings {
  const count = (cause: Finding['cause']): number => countWhere(findings, (finding) => finding.cause === cause);
  return {
    gaps: count('gap'),
    losses: count('loss') + count('loss_unnumbered'),
    conflicts: count('conflict') + count('fork'),
    chain: count('broken_chain') > 0 ? 'broken' : 'ok',
  };
}

function countWhere<T>(items: Iterable<T>, matches: (item: T) => boolean): number {
  let count = 0;
  for (const item of items) if (matches(item)) count += 1;
  return count;
}

/** The order of the stream; findings of one record in an order that does not depend on reading. */
function byPlace(a: Finding, b: Finding): number {
  return a.streamSeq - b.streamSeq || compare(sortKey(a), sortKey(b));
}

function sortKey(finding: Finding): string {
  return finding.cause === 'unparsable' ? finding.cause : `${finding.cause} ${finding.runId} ${finding.seq}`;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
