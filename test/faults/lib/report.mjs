const FIGURES = ['faults', 'offered', 'accepted', 'stored', 'reported', 'lost', 'unreported', 'duplicates'];

export function summaryOf(results) {
  const count = (test) => results.filter(test).length;
  return {
    ok: count(({ ok }) => ok),
    failed: count(({ ok, skipped }) => !ok && skipped === undefined),
    skipped: count(({ skipped }) => skipped !== undefined),
  };
}

/** The result for a person: a table that can be pasted into Markdown as it is, and what it sums up to. */
export function printReport(results) {
  const head = ['case', 'fault', ...FIGURES, 's', 'verdict'];
  const rows = results.map((result) => [
    String(result.case),
    result.title,
    ...FIGURES.map((key) => number(result[key])),
    number(result.seconds),
    verdictOf(result),
  ]);
  const sums = FIGURES.map((key) => number(results.reduce((sum, result) => sum + result[key], 0)));
  const seconds = Math.round(results.reduce((sum, result) => sum + result.seconds, 0));
  printTable(head, [...rows, ['', 'all', ...sums, number(seconds), '']], ['fault', 'verdict']);
  for (const { case: which, notes = {} } of results) {
    const texts = Object.entries(notes).map(
      ([name, value]) => `${name} ${typeof value === 'number' ? number(value) : value}`,
    );
    if (texts.length > 0) console.log(`${which}: ${texts.join(', ')}`);
  }
  const { ok, failed, skipped } = summaryOf(results);
  console.log(`\n${ok} ok, ${failed} failed${skipped > 0 ? `, ${skipped} cannot run here` : ''}`);
}

function verdictOf({ ok, skipped }) {
  if (skipped !== undefined) return `cannot run here: ${skipped}`;
  return ok ? 'ok' : 'FAILED';
}

/** A table that can be pasted into Markdown as it is; figures are set to the right, the columns named as text to the left. */
export function printTable(head, rows, textColumns) {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  const isText = (column) => textColumns.includes(head[column]);
  const lineOf = (row) =>
    `| ${row.map((cell, column) => (isText(column) ? cell.padEnd(widths[column]) : cell.padStart(widths[column]))).join(' | ')} |`;
  console.log(lineOf(head));
  console.log(
    `|${widths.map((width, column) => (isText(column) ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`,
  );
  for (const row of rows) console.log(lineOf(row));
}

function number(value) {
  return Number(value).toLocaleString('en-US', { maximumFractionDigits: 1 });
}
