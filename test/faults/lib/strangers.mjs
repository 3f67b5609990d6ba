import { createHash } from 'node:crypto';
import { LedgerVerifier } from '@spanledger/ledger';
import { readTally } from '../producers/tally.mjs';
import { Accounting } from './accounting.mjs';
import { readStream } from './read-stream.mjs';

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/**
 * Like `account`, of a stream in which somebody else has put messages. They take no part in the figures, and `verify` of the
 * packages, which reads everything, has to point at each of them.
 *
 * @param {object} from
 * @param {Set<number>} from.strangers their numbers in the stream
 */
export async function accountAmongStrangers({ servers, stream, producers, strangers }) {
  const accounting = new Accounting();
  const verifier = new LedgerVerifier({ sha256 });
  await readStream({ servers, stream }, (record) => {
    verifier.add(record);
    if (!strangers.has(record.streamSeq)) accounting.add(record);
  });
  // What they alarm about is no false alarm here.
  const tallies = producers.map(({ process, tallyFile, killed }) => {
    return { process, killed, stderr: '', runs: readTally(tallyFile) };
  });
  const figures = accounting.settle(tallies);
  const shown = new Set(verifier.report().findings.flatMap(placesOf));
  const hidden = [...strangers].filter((place) => !shown.has(place));
  if (hidden.length > 0) figures.problems.push(`verify does not show ${hidden.length} messages of somebody else`);
  figures.notes.strangers = strangers.size;
  return figures;
}

/** All contents of a conflict are suspects. */
function placesOf({ streamSeq, contents = [] }) {
  return [streamSeq, ...contents.map((content) => content.streamSeq)];
}
