import path from 'node:path';
import { diag } from '@opentelemetry/api';
import { Run } from '@spanledger/otel/internal';
import type { WorkflowContext } from '@spanledger/otel/internal';
import { SpanledgerError } from '@spanledger/protocol';
import { JournalFeed } from '../delivery/journal-feed.ts';
import type { DeliveryQueue } from '../delivery/delivery-queue.ts';
import type { EventInput } from '../event-input.ts';
import type { AdoptedJournal } from '../journal/adopted-journal.ts';
import type { Journal } from '../journal/journal.ts';
import type { JournaledEvent } from '../journal/journaled-event.ts';
import { lossFields } from '../pipeline/loss-reporter.ts';
import { OpenRuns } from './open-runs.ts';
import type { OpenRun } from './open-runs.ts';

const log = diag.createComponentLogger({ namespace: '@spanledger/audit' });

/** How often it looks for processes that have died meanwhile. */
const LOOK_MS = 60_000;

export interface InheritanceOptions {
  readonly journal: Journal;
  readonly queue: DeliveryQueue;
  readonly instance: WorkflowContext;
  readonly emit: (scope: WorkflowContext, input: EventInput) => boolean;
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
  #closed = false;

  constructor(options: InheritanceOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
    this.#look();
  }

  /** Everything that is still kept is published once more. */
  readAgain(): void {
    for (const [adopted, feed] of this.#feeds) if (adopted.bytes > 0) feed.readAgain();
  }

  /** What is not done is left to the next process; the journal lets go of the folders when it is closed. */
  close(): void {
    this.#closed = true;
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
    for (const folder of await this.#options.journal.adoptable()) {
      if (this.#closed) return;
      await this.#adopt(folder).catch((error: unknown) => {
        // Another process was faster.
        if (error instanceof SpanledgerError && error.code === 'SPANLEDGER_JOURNAL_LOCKED') return;
        log.error(`the journal ${folder} of a dead process could not be taken over:`, error);
      });
    }
  }

  async #adopt(folder: string): Promise<void> {
    const adopted = await this.#options.journal.adopt(folder);
    const runs = new OpenRuns();
    const feed = new JournalFeed(watched(adopted, runs), this.#options.queue, true);
    this.#feeds.set(adopted, feed);
    if (adopted.unacknowledged > 0)
      log.info(`publishing ${adopted.unacknowledged} events that a dead process has left`);
    feed.readOn();
    // I9: an outage must not look as if what is named had been deleted.
    await feed.whenDone();
    if (this.#closed || adopted.isReported) return;
    this.#reportLost(adopted, runs);
    for (const run of runs.all) this.#reportAbandoned(run);
    adopted.markReported();
  }

  #reportAbandoned({ runId, seq, hash, ...workflow }: OpenRun): void {
    const scope = { run: new Run('workflow', workflow), workflow };
    const fields = { run_id: runId, last_seq: seq, head_hash: hash };
    this.#options.emit(scope, { event: 'run_abandoned', fields });
    scope.run.markTerminal();
  }

  /** I3: what was accepted and cannot be read any more. Where the events around it are there, by its numbers. */
  #reportLost({ folder, lost, damages }: AdoptedJournal, { missing }: OpenRuns): void {
    for (const { file, kind } of damages) {
      if (kind === 'corrupt') log.error(`a journal is damaged, and kept in the quarantine beside it: ${file}`);
    }
    if (lost.length === 0) return;
    const reason = 'journal_damaged';
    let count = lost.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    for (const range of missing) {
      this.#emitLoss(lossFields({ ...range, reason }));
      count -= range.lastSeq - range.firstSeq + 1;
    }
    if (count > 0) this.#emitLoss({ reason, count, journal: path.basename(folder) });
  }

  #emitLoss(fields: EventInput['fields']): void {
    this.#options.emit(this.#options.instance, { event: 'audit_loss', fields });
  }
}

function watched(adopted: AdoptedJournal, runs: OpenRuns) {
  return {
    // It grows no more: all of it is read in one go.
    position: Number.MAX_SAFE_INTEGER,
    acknowledge: (position: number) => adopted.acknowledge(position),
    async *read(): AsyncGenerator<JournaledEvent, void, void> {
      for await (const journaled of adopted.read()) {
        runs.see(journaled.event);
        yield journaled;
      }
    },
  };
}
