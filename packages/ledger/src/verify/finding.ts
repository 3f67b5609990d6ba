/** One number of one run. Of an event of Forge's own profile the run is its `correlation_id`, and the number 0 if it has none. */
export interface Place {
  readonly runId: string;
  /** The number it is about; of a range, the first. */
  readonly seq: number;
  /** `<run_id>:<seq>` */
  readonly eventId: string;
  /** The stored record that shows it: a cursor to look at. */
  readonly streamSeq: number;
}

/** Numbers `seq` to `lastSeq` are neither here nor reported lost. `streamSeq` is the event after the hole. */
export interface GapFinding extends Place {
  readonly cause: 'gap';
  readonly lastSeq: number;
  /** The event before the hole, of Forge's own profile. */
  readonly afterStreamSeq?: number;
}

/** Numbers `seq` to `lastSeq` are reported lost by their own producer. `streamSeq` is the report. */
export interface LossFinding extends Place {
  readonly cause: 'loss';
  readonly lastSeq: number;
  readonly reason: string;
  /** Event id of the `audit_loss`. */
  readonly reportedBy: string;
}

/** The event itself reports a loss of `count` events that had no number yet. */
export interface UnnumberedLossFinding extends Place {
  readonly cause: 'loss_unnumbered';
  readonly count: number;
  readonly reason: string;
}

/** One number with two contents or more, in stream order. `streamSeq` is the second one. */
export interface ConflictFinding extends Place {
  readonly cause: 'conflict';
  readonly contents: readonly { readonly hash: string; readonly streamSeq: number }[];
}

/**
 * From number `seq` to `lastSeq` the run goes on in two ways or more, each linked to its own: one seal was used twice. `streamSeq` is
 * the second content of `seq`.
 */
export interface ForkFinding extends Place {
  readonly cause: 'fork';
  readonly lastSeq: number;
  readonly contents: readonly { readonly hash: string; readonly streamSeq: number }[];
}

/** `prev_hash` of this event is not the hash of the event before it: this one or the one before is not as it was sealed. */
export interface BrokenChainFinding extends Place {
  readonly cause: 'broken_chain';
  /** What it might have been: one hash, or one for each content of a conflict. */
  readonly expected: readonly string[];
  readonly actual: string;
}

/** The event names another producer than the subject it was published on. */
export interface ProducerMismatchFinding extends Place {
  readonly cause: 'producer_mismatch';
  readonly producer: string;
  readonly subject: string;
}

/** This is the first event of a producer that the run does not belong to: the run began with another one's event. */
export interface ForeignProducerFinding extends Place {
  readonly cause: 'foreign_producer';
  readonly producer: string;
  readonly owner: string;
}

/** The event says that it belongs to another workflow or execution than the subject it was published on. */
export interface SubjectMismatchFinding extends Place {
  readonly cause: 'subject_mismatch';
  readonly subject: string;
}

/**
 * The signature of this event is missing where one is required; or gone, where the run has others; or does not hold; or is by a
 * key that the reader does not have; or by one that was not valid at the time.
 */
export interface SignatureFinding extends Place {
  readonly cause:
    | 'signature_missing'
    | 'signature_downgraded'
    | 'signature_invalid'
    | 'signature_unknown_key'
    | 'signature_expired_key';
  readonly kid?: string;
}

/**
 * What is here is not what the producer says was stored, in a checkpoint, or of a process before it. `streamSeq` is the event that
 * says so, `claimedBy` its id.
 *
 * - `tail_cut`: numbers `seq` to `lastSeq`, the last of the run, are missing;
 * - `run_deleted`: the whole run, with numbers up to `lastSeq`, is missing;
 * - `rewritten`: number `seq` had another content, and so some of those before it, if they link to each other.
 */
export interface CheckpointMismatchFinding extends Place {
  readonly cause: 'checkpoint_mismatch';
  readonly kind: 'tail_cut' | 'run_deleted' | 'rewritten';
  readonly lastSeq: number;
  readonly claimedBy: string;
}

/**
 * The event was stored `skewMs` before it says that it happened: its producer's clock is ahead of the server's. One for each run: the
 * first. It is about time alone, and no word against the record.
 */
export interface ClockSkewFinding extends Place {
  readonly cause: 'clock_skew';
  readonly skewMs: number;
}

/** A record that is no event: not UTF-8 JSON, or without the fields that a chain needs. It belongs to no run. */
export interface UnparsableFinding {
  readonly cause: 'unparsable';
  readonly streamSeq: number;
  readonly subject?: string;
}

/**
 * An orchestrator's event names a run that it was answered with, and that is not in the ledger though it had an event. `roster` finds
 * it; the place is that of the orchestrator's event.
 */
export interface ProducerAbsentFinding extends Place {
  readonly cause: 'producer_absent';
  readonly executionId: string;
  /** Absent where it was called outside of any step. */
  readonly stepId?: string;
  readonly attempt?: number;
  /** The run that answered, and is not here. */
  readonly absentRunId: string;
  /** Whom the request was sent to. */
  readonly host?: string;
}

/**
 * What a reader (`verify`, `roster`) found, as data. I9: a restart, a replica, concurrency, a retry and a second delivery are none of
 * these; they are counted in the run's summary. The union will grow: switch on `cause`, with a default.
 */
export type Finding =
  | GapFinding
  | LossFinding
  | UnnumberedLossFinding
  | ConflictFinding
  | ForkFinding
  | BrokenChainFinding
  | ProducerMismatchFinding
  | SubjectMismatchFinding
  | ForeignProducerFinding
  | SignatureFinding
  | CheckpointMismatchFinding
  | ClockSkewFinding
  | UnparsableFinding
  | ProducerAbsentFinding;
