import { eventId } from '@spanledger/protocol';
import type { AuditEvent } from '@spanledger/protocol';
import type { CheckpointMismatchFinding } from './finding.ts';
import { isName, isSeq, isSha256 } from './field-values.ts';
import type { RunContents } from './run-contents.ts';
import type { RunLosses } from './run-losses.ts';

/** What a producer says of how far a run of its own has come in the ledger. */
export interface HeadClaim {
  readonly producer: string;
  readonly runId: string;
  readonly lastSeq: number;
  /** Hash of that event's bytes. */
  readonly headHash: string;
  /** It was acknowledged, so it was not lost; else it was in a dead process's journal, and may have been. */
  readonly isStored: boolean;
  /** The event that says so, and where it is stored. */
  readonly claimedBy: string;
  readonly streamSeq: number;
}

/** I7: more than a producer of ours names in one event (200), and far less than 16 MiB of them. */
const CLAIMS_MAX = 1_000;
/** Nearly every event claims nothing. A `predecessor` may be in any. */
const CLAIMING: ReadonlySet<string> = new Set(['audit_checkpoint', 'run_abandoned']);
const NO_CLAIMS: readonly HeadClaim[] = [];

/** The claims of an event: of a checkpoint, of a process about the one before it, and of one that adopted a dead one's journal. */
export function readClaims(event: AuditEvent, streamSeq: number): readonly HeadClaim[] {
  const { producer } = event;
  const fields = event.fields ?? {};
  if (!CLAIMING.has(event.event) && fields['predecessor'] === undefined) return NO_CLAIMS;
  const runs = event.event === 'audit_checkpoint' && Array.isArray(fields['runs']) ? fields['runs'] : [];
  const isStored = event.event !== 'run_abandoned';
  const own = isStored ? [] : [fields];
  const predecessor = fields['predecessor'] === undefined ? [] : [fields['predecessor']];
  const claimedBy = eventId({ runId: event.run_id, seq: event.seq });
  return [...runs.slice(0, CLAIMS_MAX), ...own, ...predecessor].flatMap((claim: unknown) => {
    const { run_id: runId, last_seq: lastSeq, head_hash: headHash } = (claim ?? {}) as Record<string, unknown>;
    if (!isName(runId) || !isSeq(lastSeq) || !isSha256(headHash)) return [];
    return [{ producer, runId, lastSeq, headHash, isStored, claimedBy, streamSeq }];
  });
}

/**
 * The claims that the ledger does not bear out, at least not yet: most are borne out when they are read, and forgotten. That of
 * an event which was let go is borne out by its first 16 hex.
 */
export class HeadClaims {
  readonly #open = new Map<string, HeadClaim[]>();

  add(claim: HeadClaim, run: RunContents | undefined): void {
    if (run?.has(claim.lastSeq, claim.headHash)) return;
    const claims = this.#open.get(claim.runId);
    if (claims === undefined) this.#open.set(claim.runId, [claim]);
    else claims.push(claim);
  }

  /** Of which run anything is claimed. */
  get runIds(): Iterable<string> {
    return this.#open.keys();
  }

  /** What is not borne out of one run, lowest number first. Only its owner speaks for a run; of one that is not here, anybody may. */
  of(runId: string, run: RunContents | undefined): HeadClaim[] {
    const claims = this.#open.get(runId) ?? [];
    const owner = run?.producers()[0];
    return claims
      .filter(
        ({ producer, lastSeq, headHash }) => run === undefined || (producer === owner && !run.has(lastSeq, headHash)),
      )
      .sort((a, b) => a.lastSeq - b.lastSeq || a.streamSeq - b.streamSeq);
  }
}

/** One finding for each cause: the tail of a run that is missing, and a number that has other contents than were stored. */
export function checkClaims(
  run: RunContents,
  claims: readonly HeadClaim[],
  losses: RunLosses,
): CheckpointMismatchFinding[] {
  const findings: CheckpointMismatchFinding[] = [];
  const rewritten = claims.find(({ lastSeq }) => run.contentsOf(lastSeq).length > 0);
  if (rewritten !== undefined) findings.push(mismatch('rewritten', rewritten, rewritten.lastSeq));
  // What was reported lost cannot have been stored: a report that says so of a stored number excuses nothing.
  const lastKnown = ({ isStored }: HeadClaim): number =>
    isStored ? run.lastSeq : Math.max(run.lastSeq, losses.lastSeq);
  const furthest = claims.findLast((claim) => claim.lastSeq > lastKnown(claim));
  if (furthest !== undefined) findings.push(mismatch('tail_cut', furthest, lastKnown(furthest) + 1));
  return findings;
}

/** Numbers inside of the run that were stored, and are not here. */
export function storedAndGone(run: RunContents, claims: readonly HeadClaim[]): Set<number> {
  const gone = claims.filter(
    ({ isStored, lastSeq }) => isStored && lastSeq < run.lastSeq && run.contentsOf(lastSeq).length === 0,
  );
  return new Set(gone.map(({ lastSeq }) => lastSeq));
}

/** A run of which nothing is here. */
export function deletedRun(claims: readonly HeadClaim[]): CheckpointMismatchFinding[] {
  const furthest = claims.at(-1);
  return furthest === undefined ? [] : [mismatch('run_deleted', furthest, 1)];
}

function mismatch(
  kind: CheckpointMismatchFinding['kind'],
  { runId, lastSeq, streamSeq, claimedBy }: HeadClaim,
  seq: number,
): CheckpointMismatchFinding {
  return {
    cause: 'checkpoint_mismatch',
    kind,
    runId,
    seq,
    lastSeq,
    eventId: eventId({ runId, seq }),
    streamSeq,
    claimedBy,
  };
}
