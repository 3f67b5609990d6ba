// What the wire contract says of a ledger, beside the counting.

/** Every number is an event that links to the one before, or is covered by an `audit_loss`; payloads are in order. */
export function checkRuns(book) {
  const problems = [];
  let holes = 0;
  for (const [runId, run] of book.runs) {
    const losses = book.losses.filter((loss) => loss.run_id === runId);
    let lastPayload = 0;
    for (let seq = 1; seq <= run.lastSeq; seq += 1) {
      if (!run.has(seq)) {
        holes += 1;
        if (!losses.some((loss) => loss.first_seq <= seq && seq <= loss.last_seq))
          problems.push(`${runId}:${seq} is a hole`);
        continue;
      }
      if (!isLinked(run, seq, losses)) problems.push(`${runId}:${seq} does not link to the one before`);
      const payload = run.payloadOf(seq);
      if (payload !== 0 && payload < lastPayload) problems.push(`${runId}:${seq} is out of order`);
      lastPayload = payload || lastPayload;
    }
    holes += losses.filter((loss) => loss.last_seq > run.lastSeq).length;
  }
  holes += book.losses.filter((loss) => loss.run_id !== undefined && !book.runs.has(loss.run_id)).length;
  return { problems, holes };
}

function isLinked(run, seq, losses) {
  if (seq === 1 || run.has(seq - 1)) return run.linksBack(seq);
  return losses.some((loss) => loss.last_seq === seq - 1 && run.linksTo(seq, loss.last_hash));
}

/** A reader collapses copies; but within its duplicate window the server stores none, if it is told the right ids. */
export function checkCopies(book) {
  let count = 0;
  for (const run of book.runs.values()) count += run.copiesInWindow;
  return count === 0 ? [] : [`the server has stored ${count} messages twice within its duplicate window`];
}

/** A checkpoint is true, and comes after everything that it names. */
export function checkCheckpoints(book) {
  const problems = [];
  for (const { runId: instance, place, runs = [] } of book.checkpoints) {
    for (const { run_id: runId, last_seq: lastSeq, head_hash: head } of runs) {
      const run = book.runs.get(runId);
      const losses = book.losses.filter((loss) => loss.run_id === runId);
      const isLost = (seq) => losses.some((loss) => loss.first_seq <= seq && seq <= loss.last_seq);
      const what = `the checkpoint at ${place} of ${instance}`;
      if (!run?.has(lastSeq) && !isLost(lastSeq))
        problems.push(`${what} names ${runId}:${lastSeq}, which is not there`);
      else if (run?.has(lastSeq) && !run.isHash(lastSeq, head))
        problems.push(`${what} gives another head for ${runId}:${lastSeq}`);
      for (let seq = 1; seq <= Math.min(lastSeq, run?.lastSeq ?? 0); seq += 1) {
        if (run.placeOf(seq) > place) problems.push(`${what} comes before ${runId}:${seq}, which it covers`);
      }
    }
  }
  return problems;
}

/** Whoever ends in order says so, in the last event of its instance run: nobody else's silence is an end. */
export function checkFinals(book, tallies) {
  const inOrder = tallies.filter(({ killed }) => !killed).length;
  const missing = inOrder - book.checkpoints.filter(({ final }) => final).length;
  return missing <= 0 ? [] : [`${missing} of ${inOrder} processes that ended in order have left no final checkpoint`];
}

/** The open runs of killed processes are named, with their true end; and nobody else's. */
export function checkAbandoned(book, tallies) {
  const problems = [];
  const killed = new Set(tallies.filter((tally) => tally.killed).map(({ process }) => process));
  const named = new Map(book.abandoned.map((fields) => [fields.run_id, fields]));
  for (const [runId, run] of book.runs) {
    const process = run.payloadRun?.split(':')[0];
    if (process === undefined) continue;
    const fields = named.get(runId);
    const isAbandoned = killed.has(process) && !run.ended;
    if (isAbandoned !== (fields !== undefined)) {
      problems.push(
        `run ${runId} of ${process} ${isAbandoned ? 'was abandoned, and nobody says so' : 'is called abandoned, and is not'}`,
      );
    } else if (fields && (fields.last_seq !== run.lastSeq || !run.isHash(run.lastSeq, fields.head_hash))) {
      problems.push(`run_abandoned says that ${runId} ends with ${fields.last_seq}, and it ends with ${run.lastSeq}`);
    }
  }
  return problems;
}
