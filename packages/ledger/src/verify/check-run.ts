import { GENESIS_HASH, eventId } from '@spanledger/protocol';
import { append } from './append.ts';
import type { Finding } from './finding.ts';
import { isHash } from './hash-list.ts';
import { Rivals } from './rivals.ts';
import type { Content, RunContents } from './run-contents.ts';
import type { RunLosses } from './run-losses.ts';

/** What else is known of a run when it is judged. */
export interface RunWitnesses {
  /** What its own producer reported lost of it. */
  readonly losses: RunLosses;
  /** Numbers whose content is known to be another than was sealed: that the next one does not link to it is no second finding. */
  readonly suspects: ReadonlySet<number>;
  /** Whether what is before the first number that is here must be here as well. */
  readonly fromStart: boolean;
}

/**
 * Judges one run: every number is an event, or in a hole that is covered or not; every number has one content; every
 * content links to what is before it; and one producer wrote all of it. What is settled needs no look.
 */
export function checkRun(run: RunContents, { losses, suspects, fromStart }: RunWitnesses): Finding[] {
  const { runId } = run;
  const findings: Finding[] = [];
  const rivals = new Rivals(runId);
  let nextSeq = run.settledSeq + 1;
  for (const seq of run.unsettledSeqs()) {
    const contents = run.contentsOf(seq);
    const isHead = nextSeq === 1 && seq > 1;
    if (seq > nextSeq && (fromStart || !isHead)) {
      append(findings, losses.judgeHole(nextSeq, seq - 1, contents[0]?.streamSeq ?? 0));
    }
    rivals.add(seq, contents);
    if (!suspects.has(seq - 1)) append(findings, brokenLinks(runId, contents, expectedLinks(run, seq, losses)));
    nextSeq = Math.max(nextSeq, seq + 1);
  }
  return findings.concat(rivals.findings, lostTail(nextSeq, losses), linksOfLost(run, losses), strangers(run));
}

/** A report says what its first lost event was linked to: the event before a hole is held to that, as by any other. */
function linksOfLost(run: RunContents, losses: RunLosses): Finding[] {
  return losses.reports.flatMap(({ range: { firstSeq: seq, prevHash }, streamSeq }) => {
    if (prevHash === undefined || run.contentsOf(seq).length > 0) return [];
    return brokenLinks(run.runId, [{ seq, prevHash, streamSeq }], expectedLinks(run, seq, losses));
  });
}

/** Only the process that minted a run appends to it: whoever else does, does so once or often, is one finding. */
function strangers(run: RunContents): Finding[] {
  const { runId } = run;
  const [owner, ...others] = run.producers();
  return others.map((producer) => {
    const { seq = 0, streamSeq = 0 } = run.firstOf(producer) ?? {};
    return { cause: 'foreign_producer', runId, seq, eventId: eventId({ runId, seq }), streamSeq, producer, owner };
  });
}

/** The hashes that `prev_hash` of number `seq` may have, or `undefined` where nobody can know. */
function expectedLinks(run: RunContents, seq: number, losses: RunLosses): string[] | undefined {
  if (seq === 1) return [GENESIS_HASH];
  const before = run.contentsOf(seq - 1).map((content) => content.hash);
  if (before.length > 0) return before;
  // The report of a loss carries the last lost hash, and so bridges the chain.
  const bridges = losses.hashesOf(seq - 1);
  return bridges.length > 0 ? bridges : undefined;
}

type Link = Pick<Content, 'seq' | 'prevHash' | 'streamSeq'>;

function brokenLinks(runId: string, links: readonly Link[], expected: readonly string[] | undefined): Finding[] {
  if (expected === undefined) return [];
  return links
    .filter(({ prevHash }) => !expected.some((known) => isHash(prevHash, known)))
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

/** Numbers after the last event that the producer says it gave: without its word nobody would miss them. */
function lostTail(nextSeq: number, losses: RunLosses): Finding[] {
  const { furthest, lastSeq } = losses;
  return furthest === undefined || lastSeq < nextSeq ? [] : losses.judgeHole(nextSeq, lastSeq, furthest.streamSeq);
}
