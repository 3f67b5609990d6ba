import { Run } from '@spanledger/otel/internal';
import type { WorkflowContext } from '@spanledger/otel/internal';
import type { JsonValue, SealedEvent } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import { JournalFeed } from '../delivery/journal-feed.ts';
import type { FeedSource } from '../delivery/journal-feed.ts';
import type { DeliveryQueue } from '../delivery/delivery-queue.ts';
import type { EventInput } from '../event-input.ts';
import type { AdoptedJournal } from '../journal/adopted-journal.ts';
import type { JournaledEvent } from '../journal/journaled-event.ts';
import { damageFields, lossFields } from '../pipeline/loss-reporter.ts';
import { OpenRuns } from './open-runs.ts';
import type { OpenRun } from './open-runs.ts';

export interface InheritedJournalOptions {
  readonly queue: DeliveryQueue;
  readonly instance: WorkflowContext;
  /** Seals an event. @returns whether it is kept. */
  readonly emit: (scope: WorkflowContext, input: EventInput) => boolean;
  /** Whether the sink has lost an event that it had stored, if that can be known. */
  readonly hasLost: (event: SealedEvent) => Promise<boolean | undefined>;
}

/** The journal of one dead process: publishes what was not acknowledged, and then says what there is to say of its end. */
export class InheritedJournal {
  readonly #adopted: AdoptedJournal;
  readonly #options: InheritedJournalOptions;
  readonly #source: WatchedJournal;
  readonly #feed: JournalFeed;
  /** What is yet to be said of its end, once that is known. Each says whether it is kept. */
  #unsaid: (() => boolean)[] | undefined;
  #closed = false;

  constructor(adopted: AdoptedJournal, options: InheritedJournalOptions) {
    this.#adopted = adopted;
    this.#options = options;
    this.#source = new WatchedJournal(adopted);
    this.#feed = new JournalFeed(this.#source, options.queue, true);
  }

  /** Its folder has been removed. */
  get isGone(): boolean {
    return this.#adopted.bytes === 0;
  }

  /** Waits until the sink has been given all of it once, or has given up on some. */
  whenGiven(): Promise<void> {
    return this.#feed.whenGiven();
  }

  /** Publishes it, and reports its end when everything has its outcome. */
  async settle(): Promise<void> {
    const { unacknowledged, wasDoubtful, remainingMs, isReported } = this.#adopted;
    const isFresh = remainingMs > 0;
    if (unacknowledged > 0) log.info(`publishing ${unacknowledged} events that a dead process has left`);
    // In doubt what was acknowledged last says nothing of what was acknowledged before.
    if (wasDoubtful) this.#feed.readAgain();
    else this.#feed.readOn();
    // I9: an outage must not look as if what is named had been deleted.
    await this.#feed.whenDone();
    const { lastStored } = this.#source;
    // The power cut that this process died of may have been the server's as well. Then all is read again.
    if (isFresh && lastStored !== undefined && (await this.#options.hasLost(lastStored))) await this.#feed.whenDone();
    if (isReported) return;
    this.#unsaid = this.#statements();
    this.report();
  }

  /** Says what is not yet said of its end, as far as there is room. */
  report(): void {
    if (this.#unsaid === undefined || this.#closed) return;
    this.#unsaid = this.#unsaid.filter((say) => !say());
    if (this.#unsaid.length === 0) this.#adopted.markReported();
  }

  /** Whether the sink still has what it had acknowledged is being found out. */
  doubt(isDoubtful: boolean): void {
    if (!this.isGone) this.#feed.doubt(isDoubtful);
  }

  /** Everything that is still kept is published once more. */
  readAgain(): void {
    if (!this.isGone) this.#feed.readAgain();
  }

  close(): void {
    this.#closed = true;
    this.#feed.close();
  }

  #statements(): (() => boolean)[] {
    const { runs } = this.#source;
    return [
      ...this.#losses().map((fields) => () => this.#emitLoss(fields)),
      ...runs.all.map((run) => () => this.#emitAbandoned(run)),
    ];
  }

  /** I3: what was accepted and cannot be read any more. Where the events around it are there, by its numbers. */
  #losses(): Record<string, JsonValue>[] {
    const { folder, damages } = this.#adopted;
    const { missing, unnumbered } = this.#source.runs;
    for (const { file, kind } of damages) {
      if (kind === 'corrupt') log.error(`a journal is damaged, and kept in the quarantine beside it: ${file}`);
    }
    const numbered = missing.map(lossFields);
    if (unnumbered <= 0) return numbered;
    return [...numbered, damageFields(folder, unnumbered)];
  }

  #emitLoss(fields: Record<string, JsonValue>): boolean {
    return this.#options.emit(this.#options.instance, { event: 'audit_loss', fields });
  }

  #emitAbandoned({ runId, seq, hash, workflowId, executionId }: OpenRun): boolean {
    const workflow = {
      ...(workflowId !== undefined && { workflowId }),
      ...(executionId !== undefined && { executionId }),
    };
    const scope = { run: new Run('workflow', workflow), workflow };
    scope.run.markTerminal();
    const fields = { run_id: runId, last_seq: seq, head_hash: hash };
    return this.#options.emit(scope, { event: 'run_abandoned', fields });
  }
}

/** A dead process's journal, of which is remembered what its events say. */
class WatchedJournal implements FeedSource {
  /** It grows no more: all of it is read in one go. */
  readonly position = Number.MAX_SAFE_INTEGER;
  readonly runs: OpenRuns;
  /** The last event that had been acknowledged before it was adopted. */
  lastStored: SealedEvent | undefined;
  readonly #adopted: AdoptedJournal;

  constructor(adopted: AdoptedJournal) {
    this.#adopted = adopted;
    this.runs = new OpenRuns(adopted.lost);
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
      this.runs.see(journaled);
      if (isFirst && journaled.acknowledged) this.lastStored = journaled.event;
      yield journaled;
    }
  }
}
