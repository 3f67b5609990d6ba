import { createHash } from 'node:crypto';
import { LedgerVerifier } from '@spanledger/ledger';
import { readTally } from '../producers/tally.mjs';
import { comparePayloads } from './compare-payloads.mjs';
import { LedgerRecordBook } from './ledger-record.mjs';
import { readStream } from './read-stream.mjs';

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/**
 * Like `account`, where what is missing cannot be known to its producer: the server has lost it, or never had it. Here an
 * event counts as `reported` when a reader is shown that it is missing: by a hole in the numbers of its run, which
 * `verify` of the packages must find as well, or by a later event of the producer that names the run further than it goes. Where
 * checkpoints are missing, as the holes between them show, so may be what they alone have named: nobody is shown that one by
 * one, and it counts as well, and apart (`behind_checkpoints`).
 *
 * @param {object} from
 * @param {Set<number>} [from.strangers] numbers in the stream of what somebody else has put there
 */
export async function accountDetected({ servers, stream, producers, strangers = new Set() }) {
  const book = new LedgerRecordBook();
  const verifier = new LedgerVerifier({ sha256 });
  await readStream({ servers, stream }, (record) => {
    if (strangers.has(record.streamSeq)) return;
    book.add(record);
    verifier.add(record);
  });
  const problems = disagreements(verifier.report(), book);
  const holes = [...book.runs].flatMap(([runId, run]) => holesOf(runId, run));
  const tails = missingTails(book);
  book.losses.push(...holes, ...tails);
  const tallies = producers.map(({ process, tallyFile, killed }) => {
    return { process, killed, runs: readTally(tallyFile) };
  });
  const { counts, notes, problems: found } = comparePayloads(book, tallies);
  Object.assign(notes, { shown_by_hole: sizeOf(holes), shown_by_checkpoint: sizeOf(tails), behind_checkpoints: 0 });
  const instances = new Set(book.checkpoints.map(({ runId }) => runId));
  if (holes.some(({ run_id: runId }) => instances.has(runId))) {
    notes.behind_checkpoints = counts.unreported;
    counts.reported += counts.unreported;
    counts.unreported = 0;
  }
  return { ...counts, problems: [...problems, ...found], notes };
}

function holesOf(runId, run) {
  const holes = [];
  for (let seq = 1; seq <= run.lastSeq; seq += 1) {
    if (run.has(seq)) continue;
    const hole = holes.at(-1);
    if (hole?.last_seq === seq - 1) hole.last_seq = seq;
    else holes.push({ run_id: runId, first_seq: seq, last_seq: seq });
  }
  return holes;
}

/** What is named and not there, behind the last event of its run; or the whole run. */
function missingTails(book) {
  const named = new Map();
  const heads = [...book.checkpoints.flatMap(({ runs = [] }) => runs), ...book.abandoned];
  for (const { run_id: runId, last_seq: lastSeq } of heads) {
    named.set(runId, Math.max(lastSeq, named.get(runId) ?? 0));
  }
  return [...named]
    .map(([runId, lastSeq]) => ({
      run_id: runId,
      first_seq: (book.runs.get(runId)?.lastSeq ?? 0) + 1,
      last_seq: lastSeq,
    }))
    .filter(({ first_seq: first, last_seq: last }) => first <= last);
}

/** The packages' own reader must find the same holes and ends, and nothing else. */
function disagreements(report, book) {
  const isEnd = ({ cause, kind }) => cause === 'checkpoint_mismatch' && (kind === 'tail_cut' || kind === 'run_deleted');
  const isHole = ({ cause }) => cause === 'gap' || cause === 'loss';
  const others = report.findings.filter(
    (finding) => !isEnd(finding) && !isHole(finding) && finding.cause !== 'loss_unnumbered',
  );
  const numbersMissing = (findings) => findings.reduce((sum, { seq, lastSeq }) => sum + lastSeq - seq + 1, 0);
  const theirs = numbersMissing(report.findings.filter(isHole));
  const ours = sizeOf([...book.runs].flatMap(([runId, run]) => holesOf(runId, run)));
  const theirEnds = new Set(report.findings.filter(isEnd).map(({ runId }) => runId));
  const ourEnds = new Set(missingTails(book).map(({ run_id: runId }) => runId));
  return [
    ...others.slice(0, 5).map((finding) => `verify finds ${JSON.stringify(finding)}`),
    ...(theirs === ours ? [] : [`verify misses ${theirs} events, the independent reader ${ours}`]),
    ...[...theirEnds, ...ourEnds]
      .filter((runId) => !theirEnds.has(runId) || !ourEnds.has(runId))
      .slice(0, 5)
      .map((runId) => `verify and the independent reader disagree about the end of ${runId}`),
  ];
}

function sizeOf(ranges) {
  return ranges.reduce((sum, { first_seq: first, last_seq: last }) => sum + last - first + 1, 0);
}
