import type { WorkflowContext } from '@spanledger/otel/internal';
import type { AuditSink, SealedEvent, WriteOutcome } from '@spanledger/protocol';
import type { Outbox } from '../delivery/outbox.ts';
import { RollbackWatch } from '../delivery/rollback-watch.ts';
import type { Rollback } from '../delivery/rollback-watch.ts';
import type { EventInput } from '../event-input.ts';
import type { Journal } from '../journal/journal.ts';
import type { PipelineHealth } from '../pipeline/health.ts';
import type { EventCounts } from '../pipeline/event-counts.ts';
import { Checkpoints } from './checkpoints.ts';
import { ExportStatus } from './export-status.ts';
import { Inheritance } from './inheritance.ts';
import { Predecessor } from './predecessor.ts';

const TICK_MS = 1_000;

export interface InstanceRunOptions {
  readonly scope: WorkflowContext;
  readonly sink: AuditSink;
  readonly journal: Journal | undefined;
  readonly outbox: Outbox;
  readonly eventMaxBytes: number;
  readonly checkpointIntervalMs: number;
  /** Seals an event. @returns whether it is kept. */
  readonly emit: (scope: WorkflowContext, input: EventInput) => boolean;
  readonly health: () => PipelineHealth;
  readonly counts: EventCounts;
}

/** What a process says of itself and of what it has delivered, in its instance run. */
export class InstanceRun {
  readonly #options: InstanceRunOptions;
  readonly #checkpoints: Checkpoints;
  readonly #status: ExportStatus;
  readonly #inheritance: Inheritance | undefined;
  readonly #predecessor: Predecessor | undefined;
  readonly #rollback: RollbackWatch | undefined;
  readonly #timers: NodeJS.Timeout[];
  #hasEvents = false;

  constructor(options: InstanceRunOptions) {
    const { scope, journal, outbox, counts } = options;
    const emit = (input: EventInput): boolean => options.emit(scope, input);
    this.#options = options;
    this.#checkpoints = new Checkpoints({
      heads: outbox.queue.heads,
      eventMaxBytes: options.eventMaxBytes,
      emit,
    });
    this.#status = new ExportStatus({ health: options.health, counts, emit });
    if (journal !== undefined) {
      this.#predecessor = new Predecessor(journal.folder);
      const rollback = new RollbackWatch({
        sink: options.sink,
        retentionMs: journal.retentionMs,
        settle: outbox.queue.settleAnswered,
        onDoubt: (isDoubtful) => this.#doubt(isDoubtful),
        onRollback: (seen) => this.#publishAgain(seen),
      });
      this.#rollback = rollback;
      this.#inheritance = new Inheritance({
        ...options,
        journal,
        instance: scope,
        queue: outbox.queue,
        hasLost: (event) => rollback.hasLost(event),
      });
      this.#inheritance.start();
    }
    this.#timers = [
      setInterval(() => this.#checkpoint(), options.checkpointIntervalMs).unref(),
      setInterval(() => this.#status.check(), TICK_MS).unref(),
    ];
  }

  /** What is about to be sealed; the first event of the run also names the run before it. */
  completed(scope: WorkflowContext, input: EventInput): EventInput {
    this.#hasEvents = true;
    const predecessor = this.#predecessor?.fields;
    if (scope !== this.#options.scope || scope.run.chain.seq > 0 || predecessor === undefined) return input;
    return { ...input, fields: { ...input.fields, predecessor } };
  }

  /** An event is in the sink. */
  stored(event: SealedEvent, outcome: WriteOutcome & { status: 'stored' }): void {
    this.#rollback?.stored(event, outcome);
    this.#checkpoints.stored();
  }

  /** Nothing more is begun. */
  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#inheritance?.close();
  }

  /** The end of a process that has recorded anything. @returns false if it is to be said and could not be. */
  writeFinal(): boolean {
    return !this.#hasEvents || this.#checkpoints.writeFinal();
  }

  /** For the process after this one. */
  recordHead(): void {
    const head = this.#options.outbox.queue.heads.of(this.#options.scope.run.id);
    if (head !== undefined) this.#predecessor?.record(head);
  }

  #checkpoint(): void {
    this.recordHead();
    this.#checkpoints.write();
  }

  #doubt(isDoubtful: boolean): void {
    this.#inheritance?.doubt(isDoubtful);
    this.#options.outbox.feed?.doubt(isDoubtful);
  }

  #publishAgain(rollback: Rollback): void {
    this.#status.rolledBack(rollback);
    this.#inheritance?.readAgain();
    this.#options.outbox.feed?.readAgain();
  }
}
