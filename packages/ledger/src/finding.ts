/** One number of one run. */
interface Place {
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

/** A record that is no event: not UTF-8 JSON, or without the fields that a chain needs. It belongs to no run. */
export interface UnparsableFinding {
  readonly cause: 'unparsable';
  readonly streamSeq: number;
  readonly subject?: string;
}

/**
 * What the reader found, as data. I9: a restart, a replica, concurrency, a retry and a second delivery are none of
 * these; they are counted in the run's summary. The union will grow: switch on `cause`, with a default.
 */
export type Finding =
  | GapFinding
  | LossFinding
  | UnnumberedLossFinding
  | ConflictFinding
  | BrokenChainFinding
  | ProducerMismatchFinding
  | ForeignProducerFinding
  | UnparsableFinding;
