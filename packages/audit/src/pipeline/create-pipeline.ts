import { diag } from '@opentelemetry/api';
import { Run } from '@spanledger/otel/internal';
import type { WorkflowContext } from '@spanledger/otel/internal';
import { SpanledgerError, UnsignedEventError, eventId } from '@spanledger/protocol';
import type { Jwks, SealedEvent, WriteOutcome } from '@spanledger/protocol';
import type { AuditPipeline, Durability, ShutdownOptions } from '../audit-pipeline.ts';
import type { Delivery } from '../delivery/delivery.ts';
import { Outbox } from '../delivery/outbox.ts';
import { timerMs, within } from '../delivery/within.ts';
import type { EventInput } from '../event-input.ts';
import { InstanceRun } from '../instance/instance-run.ts';
import type { PipelineHealth } from './health.ts';
import { pipelineHealth } from './health.ts';
import { notDurable, shutDown } from './pipeline-errors.ts';
import { LossReporter } from './loss-reporter.ts';
import { PipelineMetrics } from './pipeline-metrics.ts';
import type { EventCounts } from './pipeline-metrics.ts';
import { resolvePipelineOptions } from './pipeline-options.ts';
import type { AuditPipelineOptions, ResolvedPipelineOptions } from './pipeline-options.ts';
import { createRunBrackets } from './run-brackets.ts';
import type { RunBrackets } from './run-brackets.ts';
import { Sealer } from './sealer.ts';

const log = diag.createComponentLogger({ namespace: '@spanledger/audit' });

const FLUSH_MS = 30_000;
const SHUTDOWN_MS = 5_000;
const DURABLE_MS = 5_000;
/** How often a final checkpoint is tried that cannot be signed. */
const FINAL_TRIES_MAX = 3;

/**
 * Makes a pipeline. It affects nothing else in the process until it is given to `registerPipeline`.
 *
 * @throws SpanledgerError `SPANLEDGER_PRODUCER` or `SPANLEDGER_OPTION`
 */
export function createAuditPipeline(options: AuditPipelineOptions): AuditPipeline {
  return new Pipeline(resolvePipelineOptions(options));
}

/** One direction: seal, outbox (journal, memory), sink; and back comes what became of it. */
class Pipeline implements AuditPipeline {
  readonly producer: string;
  readonly instance: WorkflowContext = { run: new Run('instance', {}), workflow: {} };
  readonly brackets: RunBrackets;
  readonly #options: ResolvedPipelineOptions;
  readonly #sealer: Sealer;
  readonly #outbox: Outbox;
  readonly #losses: LossReporter;
  readonly #instanceRun: InstanceRun;
  readonly #counts: EventCounts = { stored: 0, refused: 0, failed: 0, shed: 0, unsigned: 0 };
  /** Those who wait for the outcome of an event, by its id. I7: as many as there are events without an outcome, at most. */
  readonly #awaited = new Map<string, (outcome: WriteOutcome) => void>();
  #sinkError: Error | undefined;
  #metrics: PipelineMetrics | undefined;
  #shutdown: Promise<void> | undefined;
  /** Nothing is kept any more. Until then it is, so that what ends while a service shuts down is not lost. */
  #closed = false;

  constructor(options: ResolvedPipelineOptions) {
    this.producer = options.producer;
    this.#options = options;
    this.brackets = createRunBrackets(options.lifecycle, (scope, input) => this.#accept(scope, input));
    this.#sealer = new Sealer(options);
    this.#outbox = new Outbox({ ...options, onOutcome: (delivery, outcome) => this.#settled(delivery, outcome) });
    this.#losses = new LossReporter((input) => this.#addOwn(this.instance, input)?.event);
    this.#instanceRun = new InstanceRun({
      ...options,
      scope: this.instance,
      outbox: this.#outbox,
      emit: (scope, input) => this.#addOwn(scope, input) !== undefined,
      health: () => this.health(),
      counts: this.#counts,
    });
  }

  emit(scope: WorkflowContext, input: EventInput, settled?: (outcome: WriteOutcome) => void): string | undefined {
    return this.#emit(scope, input, settled)?.id;
  }

  async emitDurable(scope: WorkflowContext, input: EventInput, durability: Durability = {}): Promise<string> {
    const { journal } = this.#options;
    const { durable = journal === undefined ? 'acknowledged' : 'journal', deadlineMs = DURABLE_MS } = durability;
    if (durable === 'acknowledged') return this.#emitAcknowledged(scope, input, deadlineMs);
    const kept = this.#emit(scope, input);
    if (journal === undefined || kept === undefined || kept.position === 0) throw this.#notKept('it is in no journal');
    await this.#inTime(journal.whenDurable(kept.position), deadlineMs);
    return kept.id;
  }

  health(): PipelineHealth {
    return pipelineHealth({
      ...this.#options,
      outbox: this.#outbox,
      losses: this.#losses.open,
      signing: this.#sealer.signing,
      counts: this.#counts,
      sinkError: this.#sinkError,
      isShutDown: this.#shutdown !== undefined,
    });
  }

  jwks(): Jwks | undefined {
    return this.#options.signing?.keys.jwks();
  }

  async flush(deadlineMs: number = FLUSH_MS): Promise<boolean> {
    this.#losses.drain();
    return this.#outbox.settled(deadlineMs);
  }

  shutdown(deadlineMs: number = SHUTDOWN_MS, { leaveJournal = false }: ShutdownOptions = {}): Promise<void> {
    return (this.#shutdown ??= this.#close(timerMs(deadlineMs), leaveJournal));
  }

  /** I1: nothing here waits. I5: nothing here throws. */
  #emit(scope: WorkflowContext, input: EventInput, settled?: (outcome: WriteOutcome) => void): Kept | undefined {
    this.brackets.beforeEvent(scope);
    const kept = this.#accept(scope, input);
    if (kept !== undefined && settled !== undefined) this.#awaited.set(kept.id, settled);
    return kept;
  }

  #accept(scope: WorkflowContext, input: EventInput): Kept | undefined {
    if (this.#closed) return this.#refuseClosed();
    // I3: what cannot be named in a report must not get a number.
    if (this.#losses.open.full) {
      this.#losses.open.unnumbered += 1;
      this.#counts.shed += 1;
      return undefined;
    }
    const kept = this.#add(scope.run.origin === 'instance' ? this.instance : scope, input);
    if (kept !== undefined && !this.#losses.open.empty) this.#losses.drainSoon();
    return kept;
  }

  /** Events about other events: they come also while the pipeline closes, and have room of their own. */
  #addOwn(scope: WorkflowContext, input: EventInput): Kept | undefined {
    return this.#outbox.hasReserve ? this.#add(scope, input, true) : undefined;
  }

  #add(scope: WorkflowContext, input: EventInput, isOwn = false): Kept | undefined {
    // At the first event, not in the constructor: a meter provider is often registered in between.
    this.#metrics ??= this.#newMetrics();
    const event = this.#sealer.seal(scope, this.#instanceRun.completed(scope, input));
    if (event === undefined) {
      this.#counts.failed += 1;
      return undefined;
    }
    if (event instanceof UnsignedEventError) {
      this.#counts.unsigned += 1;
      this.#losses.unsigned(event.event);
      return undefined;
    }
    const position = this.#outbox.add(event, isOwn);
    if (typeof position === 'number') {
      this.#metrics.sealed(event);
      return { event, id: eventId(event), position };
    }
    this.#losses.open.add(event, position);
    this.#counts.shed += 1;
    return undefined;
  }

  #newMetrics(): PipelineMetrics {
    const { sink } = this.#options;
    const retries = (): number => sink.status?.().retries ?? 0;
    return new PipelineMetrics({ counts: this.#counts, health: () => this.health(), retries });
  }

  async #emitAcknowledged(scope: WorkflowContext, input: EventInput, deadlineMs: number): Promise<string> {
    let kept: Kept | undefined;
    const acknowledged = new Promise<void>((resolve, reject) => {
      kept = this.#emit(scope, input, (outcome) => (outcome.status === 'stored' ? resolve() : reject(outcome.error)));
    });
    if (kept === undefined) throw this.#notKept('there is no room for it');
    await this.#inTime(acknowledged, deadlineMs);
    return kept.id;
  }

  #notKept(reason: string): SpanledgerError {
    const { problem } = this.#sealer.signing;
    return problem === undefined ? notDurable(reason) : notDurable('it could not be signed', problem);
  }

  async #inTime(durable: Promise<void>, deadlineMs: number): Promise<void> {
    let inTime: boolean;
    try {
      inTime = await within(durable, deadlineMs);
    } catch (error) {
      throw notDurable('it was refused', error);
    }
    if (!inTime) throw notDurable(`the deadline of ${deadlineMs} ms has passed`, this.#sinkError);
  }

  #settled({ event, feed, position, wasStored }: Delivery, outcome: WriteOutcome): void {
    if (outcome.status === 'stored') {
      if (this.#sinkError !== undefined) log.info(`sink ${this.#options.sink.name} stores again`);
      this.#sinkError = undefined;
      if (!wasStored) this.#counts.stored += 1;
      feed?.done(position);
      this.#losses.stored(event);
      this.#metrics?.settled(event, true);
      this.#instanceRun.stored(event, outcome);
    } else {
      this.#sinkFailed(outcome.status, outcome.error);
      // What is in the journal is not lost: it is tried again, by the next process if need be.
      if (outcome.status === 'failed' && feed !== undefined) return feed.failed(position);
      this.#counts[outcome.status] += 1;
      this.#losses.lost(event, outcome.status);
      this.#metrics?.settled(event, false);
      feed?.done(position);
    }
    if (!this.#losses.open.empty && this.#outbox.accepting) this.#losses.drainSoon();
    this.#tell(event, outcome);
  }

  #sinkFailed(status: string, error: Error): void {
    // Closed by ourselves: what is left then is said at the end of the shutdown.
    const isClosed = error instanceof SpanledgerError && error.code === 'SPANLEDGER_SINK_CLOSED';
    const isExpected = isClosed && this.#shutdown !== undefined;
    if (this.#sinkError === undefined && !isExpected)
      log.error(`sink ${this.#options.sink.name} ${status} an event:`, error);
    this.#sinkError = error;
  }

  #tell(event: SealedEvent, outcome: WriteOutcome): void {
    if (this.#awaited.size === 0) return;
    const id = eventId(event);
    const settled = this.#awaited.get(id);
    this.#awaited.delete(id);
    settled?.(outcome);
  }

  #refuseClosed(): undefined {
    if (this.#counts.refused === 0) log.error('an event came after shutdown and is lost (reported once)');
    this.#counts.refused += 1;
  }

  async #close(deadlineMs: number, leaveJournal: boolean): Promise<void> {
    const endAtMs = performance.now() + deadlineMs;
    const leftMs = (): number => Math.max(0, endAtMs - performance.now());
    // The last quarter is for the sink to let go of its medium, and a quarter of that for the journal to be synced.
    const flushUntil = (): number => Math.max(0, leftMs() - deadlineMs / 4);
    const journalMs = this.#options.journal === undefined ? 0 : deadlineMs / 16;
    this.#instanceRun.stop();
    this.#losses.drainNow();
    const isFlushed = await this.#outbox.settled(flushUntil());
    // What the first wait shows as lost is reported now; some reports may be on their way already.
    if (isFlushed) this.#losses.drainNow();
    if (isFlushed) await this.#outbox.settled(flushUntil());
    if (isFlushed || this.#options.journal !== undefined) this.#writeFinal();
    if (isFlushed) await this.#outbox.settled(flushUntil());
    this.#instanceRun.recordHead();
    this.#losses.close();
    this.#outbox.feed?.close();
    await this.#options.sink.close(Math.max(0, leftMs() - journalMs));
    await this.#endJournal(leftMs(), leaveJournal);
    this.#closed = !leaveJournal || this.#options.journal === undefined;
    this.#sayWhatIsLeft();
    this.#metrics?.stop();
    this.#options.signing?.keys.close?.();
  }

  /** A final checkpoint that could not be signed is a loss as well, and reported before it is tried again. */
  #writeFinal(): void {
    for (let tries = 1; tries <= FINAL_TRIES_MAX && !this.#instanceRun.writeFinal(); tries += 1)
      this.#losses.drainNow();
  }

  async #endJournal(deadlineMs: number, leave: boolean): Promise<void> {
    const { journal } = this.#options;
    if (journal === undefined) return;
    try {
      await within(leave ? journal.whenDurable(journal.position) : journal.close(), deadlineMs);
    } catch (error) {
      log.error('the journal could not be closed:', error);
    }
  }

  #sayWhatIsLeft(): void {
    const { journal } = this.#options;
    for (const settled of this.#awaited.values()) settled({ status: 'failed', error: shutDown() });
    this.#awaited.clear();
    const left = journal?.stats.unacknowledged ?? 0;
    if (left > 0)
      log.warn(`${left} events are left in the journal for the next process of ${this.producer} to publish`);
    const lost = this.#losses.open.count + (journal === undefined ? this.#outbox.queue.events : 0);
    if (lost > 0) log.error(`shut down with losses that are not in the ledger: ${lost} events`, this.#counts);
  }
}

/** An event that was sealed and is not lost. */
interface Kept {
  readonly event: SealedEvent;
  readonly id: string;
  /** In the journal; 0 if it is in memory only. */
  readonly position: number;
}
