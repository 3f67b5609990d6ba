import { GENESIS_HASH, eventId } from '@spanledger/protocol';
import type { Finding } from './finding.ts';
import { judgeHole } from './judge-hole.ts';
import type { RangeReport } from './loss.ts';
import type { Content, RunContents } from './run-contents.ts';

/**
 * Judges one run: every number is an event, or in a hole that is covered or not; every number has one content; every
 * content links to what is before it.
 *
 * @param losses ranges of this run that its own producer reported.
 */
export function checkRun(run: RunContents, losses: readonly RangeReport[]): Finding[] {
  const { runId } = run;
  const findings: Finding[] = [];
  let before: Content | undefined;
  for (const content of run.inOrder()) {
    const nextSeq = before === undefined ? 1 : before.seq + 1;
    if (content.seq > nextSeq) findings.push(...judgeHole(runId, nextSeq, content.seq - 1, content.streamSeq, losses));
    if (content.rival !== undefined) findings.push(conflict(runId, content));
    // One content linked to one content is nearly every event there is: it must not cost an array.
    if (content.prevHash !== before?.hash || content.rival !== undefined || before.seq + 1 !== content.seq) {
      findings.push(...brokenLinks(runId, content, expectedLinks(content.seq, before, losses)));
    }
    before = content;
  }
  findings.push(...lostTail(runId, run.lastSeq + 1, losses));
  return findings;
}

/** The hashes that `prev_hash` of number `seq` may have, or `undefined` where nobody can know. */
function expectedLinks(seq: number, before: Content | undefined, losses: readonly RangeReport[]): string[] | undefined {
  if (seq === 1) return [GENESIS_HASH];
  if (before !== undefined && before.seq === seq - 1) return withRivals(before).map((content) => content.hash);
  // The report of a loss carries the last lost hash, and so bridges the chain.
  const bridges = losses.filter((loss) => loss.range.lastSeq === seq - 1).map((loss) => loss.range.lastHash);
  return bridges.length > 0 ? bridges : undefined;
}

function brokenLinks(runId: string, content: Content, expected: readonly string[] | undefined): Finding[] {
  if (expected === undefined) return [];
  return withRivals(content)
    .filter(({ prevHash }) => !expected.includes(prevHash))
    .map(({ seq, prevHash, streamSeq }) => ({
      cause: 'broken_chain',
      runId,
      seq,
      eventId: eventId({ runId, seq }),
      streamSeq,
      expected,
      actual: prevHash,
    }));
}

function conflict(runId: string, content: Content): Finding {
  const contents = withRivals(content).map(({ hash, streamSeq }) => ({ hash, streamSeq }));
  const { seq } = content;
  const streamSeq = contents[1]?.streamSeq ?? content.streamSeq;
  return { cause: 'conflict', runId, seq, eventId: eventId({ runId, seq }), streamSeq, contents };
}

/** All contents of one number, in stream order. */
function withRivals(content: Content): Content[] {
  const contents: Content[] = [];
  for (let next: Content | undefined = content; next !== undefined; next = next.rival) contents.push(next);
  return contents.sort((a, b) => a.streamSeq - b.streamSeq);
}

/** Numbers after the last event that the producer says it gave: without its word nobody would miss them. */
function lostTail(runId: string, nextSeq: number, losses: readonly RangeReport[]): Finding[] {
  const last = losses.reduce<RangeReport | undefined>(
    (a, b) => (a && a.range.lastSeq >= b.range.lastSeq ? a : b),
    undefined,
  );
  if (last === undefined || last.range.lastSeq < nextSeq) return [];
  return judgeHole(runId, nextSeq, last.range.lastSeq, last.report.streamSeq, losses);
}
