import { LedgerVerifier } from '@spanledger/ledger';
import type { LedgerReport } from '@spanledger/ledger';
import type { LedgerRecord } from '@spanledger/protocol';
import type { Command } from 'commander';
import type { CommandContext } from '../run/context.ts';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import { sha256 } from '../run/sha256.ts';
import { withConnection } from '../source/connection-options.ts';
import type { ConnectionFlags } from '../source/connection-options.ts';
import { ExecutionRecords, nothingOf } from '../source/execution-records.ts';
import { withLink } from '../source/link.ts';
import { LocalRecords } from '../source/local-records.ts';
import type { LocalPlace } from '../source/local-records.ts';
import { readStream } from '../source/read-stream.ts';
import { sinceOption, toSelection, withSelection } from '../source/selection.ts';
import type { SelectionFlags } from '../source/selection.ts';
import { printReport } from './print-report.ts';

interface VerifyFlags extends ConnectionFlags, SelectionFlags {
  readonly all?: boolean;
  readonly runs?: boolean;
  readonly json?: boolean;
}

/** A report, and what is known beyond it. */
export interface Verdict {
  readonly report: LedgerReport;
  /** Of a record in local files. */
  readonly placeOf?: (streamSeq: number) => LocalPlace | undefined;
  /** What its reader should know: why something was not judged. */
  readonly remarks: readonly string[];
}

export function addVerify(program: Command, context: CommandContext, end: (exitCode: number) => void): void {
  const command = program
    .command('verify')
    .summary('is anything missing, changed or forged?')
    .description(
      'Verifies the stream, one execution of it, or files: NDJSON, journal folders, or - for standard input.\n' +
        'With --execution it also reads the loss reports and checkpoints of the producers that took part.',
    )
    .argument('[files...]', 'NDJSON files, journal folders, or -')
    .option('--all', 'print every finding, not only the first 50')
    .option('--runs', 'print every run')
    .option('--json', 'print one JSON document')
    .addOption(sinceOption());
  withConnection(withSelection(command)).action(async (files: string[], flags: VerifyFlags) => {
    const verdict = files.length > 0 ? await verifyLocal(files, flags, context) : await verifyStream(flags, context);
    if (context.interrupted.aborted) throw new Failure(EXIT.interrupted, 'interrupted: no verdict');
    await printReport(context.terminal, verdict, flags);
    end(verdict.report.verified ? EXIT.clean : EXIT.findings);
  });
}

async function verifyLocal(files: readonly string[], flags: VerifyFlags, context: CommandContext): Promise<Verdict> {
  if (Object.keys(toSelection(flags)).length > 0) {
    throw new Failure(
      EXIT.usage,
      '--execution, --workflow, --producer and --since are about the stream, not about files',
    );
  }
  const local = new LocalRecords(context.terminal, files, context.signal);
  const report = await judge(local.records());
  const placeOf = (streamSeq: number): LocalPlace | undefined => local.placeOf(streamSeq);
  if (!local.hasRemovedSegments) return { report, placeOf, remarks: [] };
  return { ...withoutGaps(report), placeOf };
}

function verifyStream(flags: VerifyFlags, context: CommandContext): Promise<Verdict> {
  const { execution, ...rest } = toSelection(flags);
  return withLink(flags, context, async (link) => {
    if (execution === undefined)
      return { report: await judge(readStream(context.terminal, link, rest)), remarks: remarksOn(rest) };
    const records = new ExecutionRecords(context.terminal, link, execution);
    const report = records.ownReport(await judge(records.read()));
    if (records.count === 0 && !context.signal.aborted) throw nothingOf(execution, flags.stream);
    return { report, remarks: [] };
  });
}

async function judge(records: AsyncIterable<LedgerRecord>): Promise<LedgerReport> {
  const verifier = new LedgerVerifier({ sha256 });
  for await (const record of records) verifier.add(record);
  return verifier.report();
}

function remarksOn({ since, workflow, producer }: SelectionFlags): string[] {
  const remarks: string[] = [];
  if (since !== undefined) remarks.push('runs that began before --since show gaps at their start');
  if (workflow !== undefined || producer !== undefined) {
    remarks.push('only a part of the stream was read: losses that another producer or run reports are not known here');
  }
  return remarks;
}

/** I9: what a journal has given up after it was acknowledged is not missing. */
function withoutGaps(report: LedgerReport): Pick<Verdict, 'report' | 'remarks'> {
  const findings = report.findings.filter(({ cause }) => cause !== 'gap');
  const verified = findings.every(({ cause }) => cause === 'loss' || cause === 'loss_unnumbered');
  const remark = 'acknowledged segments of a journal have been removed: whether numbers are missing was not judged';
  return { report: { ...report, gaps: 0, findings, verified }, remarks: [remark] };
}
