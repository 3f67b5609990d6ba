import path from 'node:path';
import { diag } from '@opentelemetry/api';
import { Run } from '@spanledger/otel/internal';
import type { WorkflowContext } from '@spanledger/otel/internal';
import { SpanledgerError } from '@spanledger/protocol';
import type { JsonValue, SealedEvent } from '@spanledger/protocol';
import { JournalFeed } from '../delivery/journal-feed.ts';
import type { FeedSource } from '../delivery/journal-feed.ts';
import type { DeliveryQueue } from '../delivery/delivery-queue.ts';
import type { EventInput } from '../event-input.ts';
import type { AdoptedJournal } from '../journal/adopted-journal.ts';
import { backgroundPause } from '../journal/background-pause.ts';
import type { Journal } from '../journal/journal.ts';
import type { JournaledEvent } from '../journal/journaled-event.ts';
import { lossFields } from '../pipeline/loss-reporter.ts';
import { OpenRuns } from './open-runs.ts';
import type { OpenRun } from './open-runs.ts';

const log = diag.createComponentLogger({ namespace: '@spanledger/audit' });

type Fields = Record<string, JsonValue>;

/** How often it looks for processes that have died meanwhile. */
const LOOK_MS = 60_000;

export interface InheritanceOptions {
  readonly journal: Journal;
  readonly queue: DeliveryQueue;
  readonly instance: WorkflowContext;
  readonly emit: (scope: WorkflowContext, input: EventInput) => boolean;
  /** Whether the sink has lost an event that it had stored, if that can be known. */
  readonly hasLost: (event: SealedEvent) => Promise<boolean | undefined>;
}

/**
 * What dead processes of this producer have left in the journal directory: publishes what was not acknowledged, same bytes,
 * same message id (a second copy is collapsed by readers), and then names the runs that they left open. One journal at a time: what
 * this process does not come to, another one may take.
 */
export class Inheritance {
  readonly #options: InheritanceOptions;
  readonly #feeds = new Map<AdoptedJournal, JournalFeed>();
  #isLooking = false;
  #timer: NodeJS.Timeout | undefined;
  /** A process that ends must not be kept by hundreds of dead ones. */
  readonly #ending = new AbortController();

  constructor(options: InheritanceOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
    this.#look();
  }

  /** Whether the sink still has what it had acknowledged is being found out. */
  doubt(isDoubtful: boolean): void {
    for (const [adopted, feed] of this.#feeds) if (adopted.bytes > 0) feed.doubt(isDoubtful);
  }

  /** Everything that is still kept is published once more. */
  readAgain(): void {
    for (const [adopted, feed] of this.#feeds) if (adopted.bytes > 0) feed.readAgain();
  }

  /** What is not done is left to the next process; the journal lets go of the folders when it is closed. */
  close(): void {
    this.#ending.abort();
    clearInterval(this.#timer);
    for (const feed of this.#feeds.values()) feed.close();
  }

  #look(): void {
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#adoptAll()
      .catch((error: unknown) => log.error('journals of dead processes could not be looked for:', error))
      .finally(() => (this.#isLooking = false));
  }

  async #adoptAll(): Promise<void> {
    for (const adopted of this.#feeds.keys()) if (adopted.bytes === 0) this.#feeds.delete(adopted);
    for (const folder of await this.#options.journal.adoptable(this.#ending.signal)) {
      await backgroundPause();
      if (this.#ending.signal.aborted) return;
      await this.#adopt(folder).catch((error: unknown) => {
        // Another process was faster.
        if (error instanceof SpanledgerError && error.code === 'SPANLEDGER_JOURNAL_LOCKED') return;
        log.error(`the journal ${folder} of a dead process could not be taken over:`, error);
      });
    }
  }

  async #adopt(folder: string): Promise<void> {
    const adopted = await this.#options.journal.adopt(folder);
    const watched = new WatchedJournal(adopted);
    const feed = new JournalFeed(watched, this.#options.queue, true);
    const isFresh = adopted.remainingMs > 0;
    this.#feeds.set(adopted, feed);
    if (adopted.unacknowledged > 0)
      log.info(`publishing ${adopted.unacknowledged} events that a dead process has left`);
    // In doubt what was acknowledged last says nothing of what was acknowledged before.
    if (adopted.wasDoubtful) feed.readAgain();
    else feed.readOn();
    // I9: an outage must not look as if what is named had been deleted.
    await feed.whenDone();
    const { lastStored } = watched;
    // The power cut that this process died of may have been the server's as well. Then all is read again.
    if (isFresh && lastStored !== undefined && (await this.#options.hasLost(lastStored))) await feed.whenDone();
    if (this.#ending.signal.aborted || adopted.isReported) return;
    if (this.#report(adopted, watched.runs)) adopted.markReported();
  }

  /** @returns whether all of it is kept. */
  #report(adopted: AdoptedJournal, runs: OpenRuns): boolean {
    const losses = this.#lossesOf(adopted, runs).map((fields) => this.#emitLoss(fields));
    const abandoned = runs.all.map((run) => this.#reportAbandoned(run));
    return [...losses, ...abandoned].every((isKept) => isKept);
  }

  #reportAbandoned({ runId, seq, hash, ...workflow }: OpenRun): boolean {
    const scope = { run: new Run('workflow', workflow), workflow };
    scope.run.markTerminal();
    const fields = { run_id: runId, last_seq: seq, head_hash: hash };
    return this.#options.emit(scope, { event: 'run_abandoned', fields });
  }

  /** I3: what was accepted and cannot be read any more. Where the events around it are there, by its numbers. */
  #lossesOf({ folder, lost, damages }: AdoptedJournal, { missing }: OpenRuns): Fields[] {
    for (const { file, kind } of damages) {
      if (kind === 'corrupt') log.error(`a journal is damaged, and kept in the quarantine beside it: ${file}`);
    }
    if (lost.length === 0) return [];
    const reason = 'journal_damaged';
    const numbered = missing.map((range) => lossFields({ ...range, reason }));
    const total = lost.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    const count = missing.reduce((rest, { firstSeq, lastSeq }) => rest - (lastSeq - firstSeq + 1), total);
    return count > 0 ? [...numbered, { reason, count, journal: path.basename(folder) }] : numbered;
  }

  #emitLoss(fields: Fields): boolean {
    return this.#options.emit(this.#options.instance, { event: 'audit_loss', fields });
  }
}

/** A dead process's journal, of which is remembered what its events say. */
class WatchedJournal implements FeedSource {
  /** It grows no more: all of it is read in one go. */
  readonly position = Number.MAX_SAFE_INTEGER;
  readonly runs = new OpenRuns();
  /** The last event that had been acknowledged before it was adopted. */
  lastStored: SealedEvent | undefined;
  readonly #adopted: AdoptedJournal;

  constructor(adopted: AdoptedJournal) {
    this.#adopted = adopted;
  }

  acknowledge(position: number): void {
    this.#adopted.acknowledge(position);
  }

  markDoubtful(isDoubtful: boolean): void {
    this.#adopted.markDoubtful(isDoubtful);
  }

  async *read(): AsyncGenerator<JournaledEvent, void, void> {
    const isFirst = this.lastStored === undefined;
    for await (const journaled of this.#adopted.read()) {
      this.runs.see(journaled.event);
      if (isFirst && journaled.acknowledged) this.lastStored = journaled.event;
      yield journaled;
    }
  }
}
