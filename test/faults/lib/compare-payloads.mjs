/** What was accepted against what is there, by the payloads. */
export function comparePayloads(book, tallies) {
  const counts = { offered: 0, accepted: 0, stored: 0, reported: 0, lost: 0, unreported: 0, duplicates: 0 };
  const notes = { runs: book.runs.size, copies: 0, not_accepted_but_stored: 0, checkpoints: book.checkpoints.length };
  const problems = [];
  const payloads = new Payloads(book);
  const lossesOf = groupLosses(book);
  for (const { process, runs } of tallies) {
    for (const [r, { offered, accepted }] of runs.entries()) {
      const { seen, beyond, records } = payloads.of(`${process}:${r}`, offered);
      counts.offered += offered;
      counts.accepted += accepted;
      counts.stored += seen.size;
      const stored = [...seen].filter((n) => n <= accepted).length;
      notes.not_accepted_but_stored += seen.size - stored;
      const lost = accepted - stored;
      counts.lost += lost;
      counts.reported += Math.min(lost, sum(records.map((runId) => lossesOf.take(runId))));
      if (beyond > 0) problems.push(`${beyond} events of ${process}:${r} were never offered`);
    }
  }
  // Runs of which nothing is stored, and what was lost before it had a number: nobody can say whose payload that was.
  counts.reported += Math.min(counts.lost - counts.reported, lossesOf.rest());
  counts.unreported = counts.lost - counts.reported;
  const conflicts = sum([...book.runs.values()].map((run) => run.conflicts));
  counts.duplicates = conflicts + payloads.repeated;
  notes.copies = sum([...book.runs.values()].map((run) => run.copies));
  if (book.abandoned.length > 0) notes.abandoned_runs = book.abandoned.length;
  if (book.exportStatuses > 0) notes.export_statuses = book.exportStatuses;
  return { counts, notes, problems };
}

/** Which payloads are there, and in which runs. */
class Payloads {
  /** Payloads under a second number. */
  repeated = 0;
  #records = new Map();
  #book;

  constructor(book) {
    this.#book = book;
    for (const [runId, { payloadRun }] of book.runs) {
      if (payloadRun === undefined) continue;
      this.#records.set(payloadRun, [...(this.#records.get(payloadRun) ?? []), runId]);
    }
  }

  /** Of one run of a producer: the numbers that are there, how many nobody offered, and the ids of its runs (one). */
  of(payloadRun, offered) {
    const records = this.#records.get(payloadRun) ?? [];
    const seen = new Set();
    let beyond = 0;
    for (const runId of records) {
      const run = this.#book.runs.get(runId);
      for (let seq = 1; seq <= run.lastSeq; seq += 1) {
        const n = run.payloadOf(seq);
        if (n === 0) continue;
        if (n > offered) beyond += 1;
        else if (seen.has(n)) this.repeated += 1;
        else seen.add(n);
      }
    }
    return { seen, beyond, records };
  }
}

/** How many numbers of each run are reported lost and indeed not there, each report's share to be taken once. */
function groupLosses(book) {
  const byRun = new Map();
  let unnumbered = 0;
  for (const { run_id: runId, first_seq: first, last_seq: last, count } of book.losses) {
    if (runId === undefined) {
      unnumbered += count ?? 0;
      continue;
    }
    const run = book.runs.get(runId);
    let missing = 0;
    for (let seq = first; seq <= last; seq += 1) if (!run?.has(seq)) missing += 1;
    byRun.set(runId, (byRun.get(runId) ?? 0) + missing);
  }
  return {
    take(runId) {
      const found = byRun.get(runId) ?? 0;
      byRun.delete(runId);
      return found;
    },
    rest: () => unnumbered + sum([...byRun].map(([runId, missing]) => (book.runs.has(runId) ? 0 : missing))),
  };
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
