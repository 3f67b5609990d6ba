// What the ledger says, for a person and for a program.

/** The numbers of all executions together, as `--json` prints them. */
export function summaryOf({ stream, natsVersion, executions }) {
  const reports = executions.map(({ report }) => report);
  const sum = (key) => reports.reduce((total, report) => total + report[key], 0);
  return {
    execution_id: executions[0].executionId,
    trace_id: executions[0].traceId,
    events: sum('events'),
    runs: reports.reduce((total, report) => total + report.runs.length, 0),
    producers: [...new Set(reports.flatMap((report) => report.producers))].toSorted(),
    gaps: sum('gaps'),
    duplicates: sum('duplicates'),
    conflicts: sum('conflicts'),
    chain: reports.every((report) => report.chain === 'ok') ? 'ok' : 'broken',
    open_runs: sum('openRuns'),
    stream,
    nats_version: natsVersion,
  };
}

/** Timeline and verification of the first execution. */
export function showExecution({ executions: [{ executionId, report, timeline }] }, say) {
  say(`\nTimeline of execution ${executionId}\n`);
  table(
    ['time', 'producer', 'step', 'attempt', 'event', 'ms', 'event id'],
    timeline.entries.map(({ event, eventId }) => [
      event.ts.slice(11, 23),
      event.producer,
      event.step_id ?? '',
      event.attempt_epoch ?? '',
      event.event,
      event.duration_ms ?? '',
      eventId,
    ]),
    say,
  );
  say('\nVerification, per run\n');
  table(
    ['run', 'producer', 'events', 'state', 'gaps', 'conflicts', 'chain'],
    report.runs.map((run) => [
      run.runId,
      run.producers.join(),
      run.events,
      run.state,
      run.gaps,
      run.conflicts,
      run.chain,
    ]),
    say,
  );
}

/** The verdict, and where to look next. */
export function showTotals(summary, executions, say) {
  const { gaps, conflicts, chain, open_runs: open, stream } = summary;
  const sound = gaps === 0 && conflicts === 0 && open === 0 && chain === 'ok';
  say(
    `\n${sound ? 'VERIFIED' : 'NOT VERIFIED'}: ${summary.events} events in ${summary.runs} runs of ${executions} ` +
      `execution(s); ${gaps} gaps, ${conflicts} conflicts, ${open} open runs, chain ${chain}`,
  );
  say(`trace    ${summary.trace_id}${traceHint()}`);
  say(`stream   ${stream} on nats-server ${summary.nats_version}`);
  say(
    'next     examples/research-workflow/orchestrator.mjs shows the workflow, docs/ and packages/*/README.md the rest',
  );
}

function traceHint() {
  const endpoint = process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
  return endpoint ? ` (exported to ${endpoint})` : ' (set OTEL_EXPORTER_OTLP_ENDPOINT to see it in Jaeger or Tempo)';
}

function table(head, rows, say) {
  const lines = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  for (const line of lines)
    say(
      line
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    );
}
