import type { Finding } from './finding.ts';

/** What was counted, in one run or in all of them. */
export interface LedgerCounts {
  /** Different events: copies of the same bytes count once, the contents of a conflict each. */
  readonly events: number;
  /** Holes in the numbers that no `audit_loss` covers; each hole counts once, however wide. */
  readonly gaps: number;
  /** Holes, and parts of holes, that the producer reported lost. */
  readonly losses: number;
  /** Records beyond the first with the same bytes. Harmless. */
  readonly duplicates: number;
  /** Numbers, and rows of numbers, with more than one content. */
  readonly conflicts: number;
  /** Events that arrived after a higher number of their run. Harmless; it depends on the order of reading. */
  readonly reordered: number;
  /** `broken` if some `prev_hash` does not fit. A hole does not break the chain. */
  readonly chain: 'ok' | 'broken';
}

/**
 * `ended` once its terminal event was read; `abandoned` if there is none, and a later process of its producer found that its own had
 * died. Open is a state: the run goes on, or nobody has found that yet.
 */
export type RunState = 'open' | 'ended' | 'abandoned';

/** One run. */
export interface RunSummary extends LedgerCounts {
  readonly runId: string;
  /** One, in a sound run. */
  readonly producers: readonly string[];
  /** The highest number seen. */
  readonly lastSeq: number;
  readonly state: RunState;
  /** There was a later attempt at the step that this run was called for. A state as well. */
  readonly superseded: boolean;
  /** Events after the terminal one, still in sequence. A state as well. */
  readonly lateEvents: number;
}

/** Everything that was read. */
export interface LedgerReport extends LedgerCounts {
  /** By `run_id`, so in order of their start. */
  readonly runs: readonly RunSummary[];
  readonly openRuns: number;
  readonly abandonedRuns: number;
  readonly producers: readonly string[];
  /** Events of Forge's own profile, without `run_id`: they have chains and numbers of another kind. Not in `events`. */
  readonly forgeEvents: number;
  /**
   * Events with a good signature by one of the keys given, checkpoints included; absent where none was given. With 0 `verified` says that
   * nothing is missing or torn, and nothing of who wrote it.
   */
  readonly validSignatures?: number;
  /** In stream order. */
  readonly findings: readonly Finding[];
  /**
   * Every number is an event or a reported loss, and nothing speaks against the record: nothing was found but losses that were reported,
   * and clocks that are ahead.
   */
  readonly verified: boolean;
}
