import { createHash } from 'node:crypto';
import { LedgerVerifier } from '@spanledger/ledger';
import { readTally } from '../producers/tally.mjs';
import { checkAbandoned, checkCheckpoints, checkCopies, checkFinals, checkRuns } from './checks.mjs';
import { comparePayloads } from './compare-payloads.mjs';
import { LedgerRecordBook } from './ledger-record.mjs';
import { readStream } from './read-stream.mjs';

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/**
 * Reads the ledger to its end and holds it against what was accepted.
 *
 * @param {object} from
 * @param {string | string[]} from.servers
 * @param {string} [from.stream]
 * @param {{ process: string, tallyFile: string, killed: boolean, stderr?: string }[]} from.producers all that ever wrote there
 * @param {boolean} [from.times] tell when each message was stored
 * @param {boolean} [from.checkpoints] hold checkpoints against the places of what they name; not where a server lost some of it
 * @param {object} [from.signatures] of what is signed; `signatures` of the verifier
 * @param {boolean} [from.clocks] clocks were set: that a reader finds them ahead is noted, and no problem
 * @returns the figures of a case without `faults`, with `problems`, `notes` and, if asked for, `times`
 */
export async function account({
  servers,
  stream = 'AUDIT_EVENTS',
  producers,
  times = false,
  checkpoints = true,
  signatures,
  clocks = false,
}) {
  const accounting = new Accounting(signatures);
  const storedAtMs = [];
  await readStream({ servers, stream }, (record) => {
    accounting.add(record);
    if (times) storedAtMs.push(record.storedAtMs);
  });
  const tallies = producers.map(({ process, tallyFile, killed, stderr = '' }) => {
    return { process, killed, stderr, runs: readTally(tallyFile) };
  });
  const figures = accounting.settle(tallies, { checkpoints, finals: true, clocks });
  return { ...figures, ...(times && { times: Float64Array.from(storedAtMs) }) };
}

/** Takes in a ledger, and holds it against what was accepted. */
export class Accounting {
  #book = new LedgerRecordBook();
  #verifier;

  constructor(signatures) {
    this.#verifier = new LedgerVerifier({ sha256, ...(signatures && { signatures }) });
  }

  add(record) {
    this.#book.add(record);
    this.#verifier.add(record);
  }

  /** @param {{ process: string, killed: boolean, stderr: string, runs: { offered: number, accepted: number }[] }[]} tallies */
  settle(tallies, { checkpoints = true, finals = false, clocks = false } = {}) {
    const book = this.#book;
    const { counts, notes, problems } = comparePayloads(book, tallies);
    const chains = checkRuns(book);
    const report = this.#verifier.report();
    problems.push(
      ...falseAlarms(tallies),
      ...chains.problems,
      ...checkCopies(book),
      ...(checkpoints ? checkCheckpoints(book) : []),
      ...checkAbandoned(book, tallies),
      ...(finals ? checkFinals(book, tallies) : []),
      ...disagreements(report, book, chains.holes, clocks ? [...LOSSES, 'clock_skew'] : LOSSES),
    );
    if (clocks) notes.clock_skews = report.findings.filter(({ cause }) => cause === 'clock_skew').length;
    return { ...counts, problems: firstOf(problems), notes };
  }
}

/** I9: what repeats itself is not somebody else. */
function falseAlarms(tallies) {
  return tallies
    .filter(({ stderr }) => stderr.includes('uses our message ids'))
    .map(({ process }) => `${process} takes its own repetitions for somebody else's messages`);
}

const LOSSES = ['loss', 'loss_unnumbered'];

/** The packages' own reader must find the same, and nothing but what is expected. */
function disagreements(report, book, holes, expected) {
  const findings = report.findings.filter(({ cause }) => !expected.includes(cause));
  const problems = findings.map((finding) => `verify finds ${JSON.stringify(finding)}`);
  const events = sum([...book.runs.values()].map((run) => run.events));
  if (report.events !== events)
    problems.push(`verify counts ${report.events} events, the independent reader ${events}`);
  if (report.losses > 0 !== holes > 0)
    problems.push(`verify finds ${report.losses} losses, the independent reader ${holes}`);
  return problems;
}

/** Enough to see what is wrong. */
function firstOf(problems, max = 10) {
  return problems.length <= max ? problems : [...problems.slice(0, max), `and ${problems.length - max} more`];
}

function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
