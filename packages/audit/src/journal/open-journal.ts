import { randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { SpanledgerError } from '@spanledger/protocol';
import type { SealedEvent } from '@spanledger/protocol';
import { adoptJournal } from './adopted-journal.ts';
import type { AdoptedJournal } from './adopted-journal.ts';
import { backgroundPause } from './background-pause.ts';
import { isFolderLocked, lockNewFolder } from './folder-lock.ts';
import type { FolderLock } from './folder-lock.ts';
import { JournalWriter } from './journal-writer.ts';
import { producerFolder, removeJournalFolder, syncFolderNow } from './journal-files.ts';
import { resolveJournalOptions } from './journal-options.ts';
import type { JournalOptions, ResolvedJournalOptions } from './journal-options.ts';
import type { AppendOutcome, Journal, JournalStats, OnLost } from './journal.ts';
import type { JournaledEvent } from './journaled-event.ts';
import { setMark } from './marks.ts';
import { QUARANTINE } from './quarantine.ts';

/** A finder has to hit microseconds each time. */
const CREATE_ATTEMPTS_MAX = 100;

/**
 * Opens a journal of this process's own (or this worker thread's), in a new folder `<directory>/<producer>/<id>`. In one turn
 * of the event loop, so that it is there before the first event.
 *
 * @throws SpanledgerError `SPANLEDGER_OPTION`, `SPANLEDGER_PRODUCER`, or `SPANLEDGER_JOURNAL` if it cannot be created.
 */
export function openJournal(options: JournalOptions): Journal {
  const resolved = resolveJournalOptions(options);
  const parent = producerFolder(resolved.directory, resolved.producer);
  try {
    const { folder, lock } = createFolder(parent);
    for (const changed of [parent, resolved.directory]) syncFolderNow(changed);
    return new OwnJournal(folder, lock, resolved);
  } catch (error) {
    if (error instanceof SpanledgerError) throw error;
    throw new SpanledgerError('SPANLEDGER_JOURNAL', `a journal cannot be created in ${parent}`, { cause: error });
  }
}

/** Another process that looks for dead journals may take a folder for one before it is locked, and remove it: then the next one. */
function createFolder(parent: string): { folder: string; lock: FolderLock } {
  for (let attempt = 1; attempt <= CREATE_ATTEMPTS_MAX; attempt += 1) {
    const folder = path.join(parent, randomUUID());
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const lock = lockNewFolder(folder);
    if (lock !== undefined) return { folder, lock };
  }
  throw new Error('every new folder was taken by another process');
}

class OwnJournal implements Journal {
  readonly folder: string;
  readonly #lock: FolderLock;
  readonly #options: ResolvedJournalOptions;
  readonly #writer: JournalWriter;
  readonly #adopted = new Set<AdoptedJournal>();
  #closing: Promise<void> | undefined;

  constructor(folder: string, lock: FolderLock, options: ResolvedJournalOptions) {
    this.folder = folder;
    this.#lock = lock;
    this.#options = options;
    this.#writer = new JournalWriter(folder, options, () => this.#adoptedBytes());
  }

  get retentionMs(): number {
    return this.#options.retentionMs;
  }

  get hasRoom(): boolean {
    return this.#writer.hasRoom;
  }

  get stats(): JournalStats {
    const stats = this.#writer.stats;
    return { ...stats, bytes: stats.bytes + this.#adoptedBytes() };
  }

  get position(): number {
    return this.#writer.position;
  }

  append(event: SealedEvent): AppendOutcome {
    return this.#writer.append(event);
  }

  whenDurable(position: number): Promise<void> {
    return this.#writer.whenDurable(position);
  }

  acknowledge(position: number): void {
    this.#writer.acknowledge(position);
  }

  markDoubtful(isDoubtful: boolean): void {
    try {
      setMark(this.folder, 'doubtful', isDoubtful);
    } catch (error) {
      this.#options.onProblem(error);
    }
  }

  read(after = 0, onLost?: OnLost): AsyncGenerator<JournaledEvent, void, void> {
    return this.#writer.read(after, onLost);
  }

  async adoptable(signal?: AbortSignal): Promise<string[]> {
    const parent = path.dirname(this.folder);
    const dead: string[] = [];
    for (const entry of readdirSync(parent, { withFileTypes: true })) {
      if (signal !== undefined) await backgroundPause();
      if (signal?.aborted) break;
      const folder = path.join(parent, entry.name);
      if (!entry.isDirectory() || entry.name === QUARANTINE || folder === this.folder) continue;
      // Somebody else may remove it meanwhile.
      if (!(await isFolderLocked(folder).catch(() => true))) dead.push(folder);
    }
    return dead.sort();
  }

  async adopt(folder: string): Promise<AdoptedJournal> {
    try {
      const adopted = await adoptJournal(folder, this.#options, (ended) => this.#adopted.delete(ended));
      this.#adopted.add(adopted);
      return adopted;
    } catch (error) {
      if (error instanceof SpanledgerError) throw error;
      throw new SpanledgerError('SPANLEDGER_JOURNAL', `the journal ${folder} cannot be adopted`, { cause: error });
    }
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  closeNow(): void {
    if (this.#closing !== undefined) return;
    for (const adopted of this.#adopted) adopted.closeNow();
    this.#writer.closeNow();
  }

  async #close(): Promise<void> {
    for (const adopted of this.#adopted) await adopted.close();
    const { isDurable, isEmpty } = await this.#writer.close();
    try {
      if (isEmpty) await removeJournalFolder(this.folder);
    } finally {
      await this.#lock.release();
    }
    if (!isDurable) throw new SpanledgerError('SPANLEDGER_JOURNAL', 'the last events could not be synced to disk');
  }

  #adoptedBytes(): number {
    let bytes = 0;
    for (const adopted of this.#adopted) bytes += adopted.bytes;
    return bytes;
  }
}
