import type { SealedEvent, SpanledgerError } from '@spanledger/protocol';
import type { AdoptedJournal } from './adopted-journal.ts';
import type { JournaledEvent } from './journaled-event.ts';

/**
 * What became of one append.
 *
 * - `written`: the operating system has it: a killed process does not lose it, a power cut may until it is durable.
 * - `refused`: it is not in the journal. `SPANLEDGER_JOURNAL_FULL`: the disk or `maxBytes` is full, or the disk has not synced
 *   64 MiB; `SPANLEDGER_JOURNAL`: it cannot be written, or is closed. The next one may well be written.
 */
export type AppendOutcome =
  | { readonly status: 'written'; readonly position: number }
  | { readonly status: 'refused'; readonly error: SpanledgerError };

/**
 * Told of positions that are not acknowledged and cannot be read any more, because the file was damaged; each time they are
 * come to. At most those of one segment at once.
 */
export type OnLost = (positions: readonly number[]) => void;

export interface JournalStats {
  /** Length of the files, with what is not used yet, and of the journals adopted. */
  readonly bytes: number;
  readonly unacknowledged: number;
  /** For how long at least one event was not acknowledged, in milliseconds: none of them is older; 0 if all are acknowledged. */
  readonly oldestAgeMs: number;
  /** Written and not yet on the disk. */
  readonly notDurable: number;
  readonly refused: number;
}

/** Sealed events on the local disk until they are acknowledged elsewhere. One process or worker thread writes it. */
export interface Journal {
  readonly folder: string;
  /** How long acknowledged events are kept, while there is room, in milliseconds. */
  readonly retentionMs: number;
  /** An event would most likely be written. A full disk is found out by trying: for a second after that, no. */
  readonly hasRoom: boolean;
  readonly stats: JournalStats;
  /** Position of the last event written; 0 before the first. */
  readonly position: number;
  /**
   * Writes the event before it returns (I1, I2). Never throws. The event's memory must not change until it is durable.
   */
  append(event: SealedEvent): AppendOutcome;
  /**
   * Waits until everything up to this position is on the disk.
   *
   * @throws SpanledgerError `SPANLEDGER_JOURNAL` if two syncs in a row fail, if there is no such position, or after `close`.
   */
  whenDurable(position: number): Promise<void>;
  /** The event is kept elsewhere, or never will be: it need not be read again. In any order, repeated or not. */
  acknowledge(position: number): void;
  /**
   * Remembers for whoever adopts this journal, before it returns, that the sink may have lost what it had acknowledged, and
   * does not have all of it again; or that it has. Never throws; a failure goes to `onProblem`.
   */
  markDoubtful(isDoubtful: boolean): void;
  /**
   * The events after this position that are still here, acknowledged or not, in order, up to the last one written. What is
   * not on the disk yet comes from memory.
   *
   * @throws what the file system answers.
   */
  read(after?: number, onLost?: OnLost): AsyncGenerator<JournaledEvent, void, void>;
  /**
   * Folders of this producer's journals whose owners are dead.
   *
   * @param signal makes it background work, which keeps no process alive. Once it is aborted, the answer is what is known by then.
   */
  adoptable(signal?: AbortSignal): Promise<string[]>;
  /**
   * Takes the journal of a dead process. It counts towards `maxBytes`, and is closed with this one.
   *
   * @throws SpanledgerError `SPANLEDGER_JOURNAL_LOCKED` if its owner lives, or somebody else has it; `SPANLEDGER_JOURNAL` if
   * it cannot be read, or has been removed.
   */
  adopt(folder: string): Promise<AdoptedJournal>;
  /**
   * Syncs, and lets go. The journal stays for the next process while something in it is not acknowledged, or its
   * retention lasts. Idempotent.
   *
   * @throws SpanledgerError `SPANLEDGER_JOURNAL` if the last events could not be synced.
   */
  close(): Promise<void>;
  /**
   * For the very end of a process, which waits for nothing: saves what was acknowledged, and cuts off what was not used. What is written stays for the next process. Never throws; nothing after `close`.
   */
  closeNow(): void;
}
