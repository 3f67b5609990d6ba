import type { Command } from 'commander';
import type { CommandContext } from '../run/context.ts';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import { withConnection } from '../source/connection-options.ts';
import type { ConnectionFlags } from '../source/connection-options.ts';
import { ExecutionRecords, nothingOf } from '../source/execution-records.ts';
import { withLink } from '../source/link.ts';
import { LocalRecords } from '../source/local-records.ts';
import type { LocalPlace } from '../source/local-records.ts';
import { readStream } from '../source/read-stream.ts';
import { namesOf, sinceOption, toSelection, withSelection } from '../source/selection.ts';
import type { SelectionFlags } from '../source/selection.ts';
import { toSignatureOptions, withSignatures } from '../source/signature-options.ts';
import type { SignatureFlags } from '../source/signature-options.ts';
import { streamInfo } from '../source/stream-info.ts';
import { Judge, judge, withFindings } from './judge.ts';
import type { JudgeOptions, Report } from './judge.ts';
import { printReport } from './print-report.ts';
import type { Verdict } from './print-report.ts';

interface VerifyFlags extends ConnectionFlags, SelectionFlags, SignatureFlags {
  readonly all?: boolean;
  readonly runs?: boolean;
  readonly strict?: boolean;
  readonly json?: boolean;
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
    .option('--strict', 'any finding gives exit code 1, reported losses and clocks that are ahead too')
    .option('--json', 'print one JSON document')
    .addOption(sinceOption());
  withConnection(withSignatures(withSelection(command))).action(async (files: string[], flags: VerifyFlags) => {
    const read = files.length > 0 ? await verifyLocal(files, flags, context) : await verifyStream(flags, context);
    if (context.interrupted.aborted) throw new Failure(EXIT.interrupted, 'interrupted: no verdict');
    const isClean = flags.strict ? read.report.findings.length === 0 : read.report.verified;
    const remarks = [...read.remarks, ...remarksOnVerdict(read.report, isClean)];
    await printReport(context.terminal, { ...read, remarks }, flags);
    end(isClean ? EXIT.clean : EXIT.findings);
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
  const report = await judge(local.records(), { ...signatures(flags), fromStart: !local.hasFolders });
  const placeOf = (streamSeq: number): LocalPlace | undefined => local.placeOf(streamSeq);
  if (!local.hasRemovedSegments) return { report, placeOf, remarks: [] };
  return { ...withoutRemoved(report), placeOf };
}

function verifyStream(flags: VerifyFlags, context: CommandContext): Promise<Verdict> {
  const { terminal } = context;
  const { execution, ...selection } = toSelection(flags);
  return withLink(flags, context, async (link) => {
    const { state } = await streamInfo(link);
    const isWhole = Object.keys(selection).length === 0 && state.first_seq <= 1;
    const remarks = remarksOn(selection, state.first_seq);
    const names = namesOf(selection);
    if (execution === undefined) {
      const report = await judge(readStream(terminal, link, selection), {
        ...signatures(flags),
        fromStart: isWhole,
        roster: isWhole,
      });
      if (isEmpty(report) && names.length > 0 && !context.signal.aborted)
        throw nothingOf(names.join(', '), flags.stream);
      return { report, remarks };
    }
    const records = new ExecutionRecords(terminal, link, execution);
    const verdict = new Judge({ ...signatures(flags), execution, roster: true, fromStart: state.first_seq <= 1 });
    for await (const record of records.readOwn()) verdict.add(record);
    for await (const record of records.readReports()) verdict.add(record);
    if (records.count === 0 && !context.signal.aborted) throw nothingOf(`execution ${execution}`, flags.stream);
    return { report: verdict.report(), remarks };
  });
}

function signatures(flags: VerifyFlags): JudgeOptions {
  const options = toSignatureOptions(flags);
  return options === undefined ? {} : { signatures: options };
}

function remarksOn({ since, workflow, producer }: SelectionFlags, firstSeq: number): string[] {
  const remarks: string[] = [];
  if (firstSeq > 1) remarks.push(`the stream begins at seq ${firstSeq}: what is missing before it was not judged`);
  if (since !== undefined)
    remarks.push('what was stored before --since was not read: the beginnings of runs were not judged');
  if (workflow !== undefined || producer !== undefined) {
    remarks.push('only a part of the stream was read: losses that another producer or run reports are not known here');
  }
  return remarks;
}

const UNSIGNED = 'nothing in it is signed, so the keys prove nothing; --require-signatures makes that a finding';

/** Where word and exit code would surprise. */
function remarksOnVerdict(report: Report, isClean: boolean): string[] {
  if (report.verified && !isClean) return ['nothing speaks against the record; --strict makes any finding exit code 1'];
  if (isEmpty(report)) return ['there was no event: nothing was verified'];
  return report.validSignatures === 0 && report.verified ? [UNSIGNED] : [];
}

function isEmpty({ events, forgeEvents, findings }: Report): boolean {
  return events + forgeEvents + findings.length === 0;
}

/** I9: what a journal has given up after it was acknowledged is not missing. */
function withoutRemoved(report: Report): Pick<Verdict, 'report' | 'remarks'> {
  const findings = report.findings.filter(
    (finding) => finding.cause !== 'gap' && (finding.cause !== 'checkpoint_mismatch' || finding.kind === 'rewritten'),
  );
  const remark = 'acknowledged segments of a journal have been removed: whether numbers are missing was not judged';
  return { report: withFindings(report, findings), remarks: [remark] };
}
