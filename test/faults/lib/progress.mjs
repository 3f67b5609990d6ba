/** Without a terminal, a line at most this often. */
const LINE_EVERY_MS = 15_000;
const REDRAW_EVERY_MS = 200;

/** One line per case: redrawn where that is possible, else written now and then. */
export function createProgress(out, { total, redraw }) {
  let index = 0;
  return function begin({ number, title }) {
    index += 1;
    const head = `[${index}/${total}] ${String(number).padStart(2)} ${title}`;
    const startedMs = Date.now();
    let lastMs = startedMs;
    const seconds = () => Math.round((Date.now() - startedMs) / 1000);
    if (redraw) out.write(`${head} …`);
    return {
      tell(text) {
        if (Date.now() - lastMs < (redraw ? REDRAW_EVERY_MS : LINE_EVERY_MS)) return;
        lastMs = Date.now();
        const line = `${head}: ${text}, ${seconds()} s`;
        out.write(redraw ? `\r\u001b[K${line}` : `${line}\n`);
      },
      end({ ok, skipped, problems }) {
        const verdict = skipped === undefined ? (ok ? 'ok' : 'FAILED') : `cannot run here: ${skipped}`;
        out.write(`${redraw ? '\r\u001b[K' : ''}${head}: ${verdict}, ${seconds()} s\n`);
        for (const problem of problems) out.write(`       ${problem}\n`);
      },
    };
  };
}
