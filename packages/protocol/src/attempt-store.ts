/** Whose attempts are counted: a step of an execution. Both are 1 to 128 visible ASCII characters. */
export interface AttemptKey {
  readonly executionId: string;
  readonly stepId: string;
}

/** The newest attempt of a step. */
export interface AttemptRecord {
  /** Its number, from 1. Whoever begins the next one takes a higher number. */
  readonly epoch: number;
  /** Event id of its start, once it has one and that is known. */
  readonly startedEventId?: string;
}

/** What a store has of a step. */
export interface StoredAttempt {
  /** Absent where there is none: never written, expired, or deleted. */
  readonly record?: AttemptRecord;
  /** For the `write` that is to replace it: a whole number that grows with each write of the step; 0 where nothing was written. */
  readonly revision: number;
}

/**
 * Where attempts are counted, so that the count survives the process, and two orchestrators never begin the same attempt.
 *
 * It compares and sets; the counting is done by its user, who also checks what it hands out. Whatever its methods throw, or
 * reject with, means: not available. They answer within a deadline of their own.
 */
export interface AttemptStore {
  /** For messages: `jetstream`, `memory`, … */
  readonly name: string;

  /**
   * What happens to a step while the store is not available.
   *
   * - `error`: it is not begun; `SPANLEDGER_ATTEMPTS` is thrown.
   * - `memory`: this process counts alone. Another one may then give the same number to another attempt.
   *
   * Default `error`.
   */
  readonly onUnavailable?: 'error' | 'memory';

  read(key: AttemptKey): StoredAttempt | Promise<StoredAttempt>;

  /**
   * Replaces what was read, unless somebody else has in the meantime.
   *
   * @param revision what `read` or the last `write` answered.
   * @returns the new revision; `undefined` if somebody else was first, and nothing was written.
   */
  write(key: AttemptKey, record: AttemptRecord, revision: number): number | undefined | Promise<number | undefined>;

  /** Lets go of the medium. Idempotent. What is asked afterwards is rejected. */
  close?(): Promise<void>;
}
