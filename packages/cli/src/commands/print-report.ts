import type { LocalPlace } from '../source/local-records.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { table } from '../terminal/table.ts';
import { visible } from '../terminal/visible.ts';
import { HARMLESS, findingSentence } from './finding-sentence.ts';
import type { Report } from './judge.ts';

const SHOWN_MAX = 50;
/** Lists, and what has a line of its own. */
const NOT_COUNTS: ReadonlySet<string> = new Set(['findings', 'verified']);

/** A report, and what is known beyond it. */
export interface Verdict {
  readonly report: Report;
  /** Of a record in local files. */
  readonly placeOf?: (streamSeq: number) => LocalPlace | undefined;
  /** What its reader should know: why something was not judged. */
  readonly remarks: readonly string[];
}

interface ReportFlags {
  readonly all?: boolean;
  readonly runs?: boolean;
  readonly json?: boolean;
}

/** The verdict, for people or for programs. */
export async function printReport(terminal: Terminal, verdict: Verdict, flags: ReportFlags): Promise<void> {
  if (flags.json) return terminal.json(toDocument(verdict, flags));
  const { report, remarks } = verdict;
  const { colors } = terminal;
  await terminal.line(table(TWO_COLUMNS, countsOf(report), colors));
  if (flags.runs) await printRuns(terminal, report);
  if (report.findings.length > 0) await printFindings(terminal, verdict, flags.all === true);
  for (const remark of remarks) await terminal.line(`\n${colors.yellow('note:')} ${remark}`);
  const [word, color] = report.verified
    ? (['VERIFIED', colors.green] as const)
    : (['NOT VERIFIED', colors.red] as const);
  await terminal.line(`\n${colors.bold(color(word))}`);
}

const TWO_COLUMNS = [{ title: '' }, { title: '', align: 'right' as const }];

/** Every count of the report, also one that this program does not know of. Forge's profile is there where it was met. */
function countsOf(report: Report): string[][] {
  const { events, forgeEvents, runs, producers, ...others } = report;
  const counts = Object.entries(others).filter(
    ([key, value]) => !NOT_COUNTS.has(key) && ['number', 'string'].includes(typeof value),
  );
  return [
    ['events', String(events)],
    ...(forgeEvents > 0 ? [['forge events', String(forgeEvents)]] : []),
    ['runs', String(runs.length)],
    ['producers', String(producers.length)],
    ...counts.map(([key, value]) => [words(key), visible(value)]),
  ];
}

function words(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

async function printRuns(terminal: Terminal, { runs }: Report): Promise<void> {
  const columns = [
    { title: 'run' },
    { title: 'producer' },
    { title: 'events', align: 'right' as const },
    { title: 'state' },
  ];
  const rows = runs.map(({ runId, producers, events, state }) => [
    visible(runId),
    visible(producers.join(', ')),
    String(events),
    visible(state),
  ]);
  await terminal.line(`\n${table(columns, rows, terminal.colors)}`);
}

async function printFindings(terminal: Terminal, { report, placeOf }: Verdict, all: boolean): Promise<void> {
  const { colors } = terminal;
  const { findings } = report;
  await terminal.line(`\n${colors.bold('Findings')}`);
  for (const finding of all ? findings : findings.slice(0, SHOWN_MAX)) {
    const fields = finding as unknown as Readonly<Record<string, unknown>>;
    const color = HARMLESS.has(fields['cause']) ? colors.yellow : colors.red;
    const event = 'eventId' in fields ? `  ${visible(fields['eventId'])}` : '';
    const place = placeOf?.(finding.streamSeq);
    const where = place === undefined ? `stream seq ${finding.streamSeq}` : `${visible(place.file)}:${place.line}`;
    await terminal.line(`${color(visible(fields['cause']))}${event}  ${colors.dim(where)}`);
    await terminal.line(`    ${visible(findingSentence(fields))}`);
  }
  const left = findings.length - SHOWN_MAX;
  if (!all && left > 0) await terminal.line(`… and ${left} more: --all prints them`);
}

function toDocument({ report, placeOf, remarks }: Verdict, { runs }: ReportFlags): object {
  const { runs: allRuns, findings, verified, ...counts } = report;
  const located = findings.map((finding) => {
    const place = placeOf?.(finding.streamSeq);
    return place === undefined ? finding : { ...finding, place };
  });
  return { verified, ...counts, runCount: allRuns.length, ...(runs && { runs: allRuns }), findings: located, remarks };
}
