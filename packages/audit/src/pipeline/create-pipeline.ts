import { Run } from '@spanledger/otel/internal';
import type { WorkflowContext } from '@spanledger/otel/internal';
import { UnsignedEventError, eventId, timerMs } from '@spanledger/protocol';
import type { AttemptStore, Jwks, WriteOutcome } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import type { AuditPipeline, Durability, ShutdownOptions } from '../audit-pipeline.ts';
import { StoredEvents } from '../bus/stored-events.ts';
import type { Delivery } from '../delivery/delivery.ts';
import { Outbox } from '../delivery/outbox.ts';
import type { EventInput } from '../event-input.ts';
import { InstanceRun } from '../instance/instance-run.ts';
import { AwaitedOutcomes } from './awaited-outcomes.ts';
import { DurableEmission } from './durable-emission.ts';
import { pipelineHealth } from './health.ts';
import type { PipelineHealth } from './health.ts';
import { keepingProblem } from './keeping-problem.ts';
import type { KeptEvent } from './kept-event.ts';
import { LossReporter, damageFields } from './loss-reporter.ts';
import { PipelineMetrics } from './pipeline-metrics.ts';
import type { EventCounts } from './event-counts.ts';
import { resolvePipelineOptions } from './pipeline-options.ts';
import type { AuditPipelineOptions, ResolvedPipelineOptions } from './pipeline-options.ts';
import { Redactor } from '../redaction/redactor.ts';
import { createRunBrackets } from './run-brackets.ts';
import type { RunBrackets } from './run-brackets.ts';
import { Sealer } from './sealer.ts';
import { shutDown } from './shutdown.ts';
import { SinkCondition } from './sink-condition.ts';
import { createTranscripts } from '../transcripts/create-transcripts.ts';
import type { Transcripts } from '../transcripts/create-transcripts.ts';
import { withReferences } from '../transcripts/span-transcripts.ts';

const FLUSH_MS = 30_000;
const SHUTDOWN_MS = 5_000;

/**
 * Makes a pipeline. It affects nothing else in the process until it is given to `registerPipeline`.
 *
 * @throws SpanledgerError `SPANLEDGER_PRODUCER` or `SPANLEDGER_OPTION`
 */
export function createAuditPipeline(options: AuditPipelineOptions): AuditPipeline {
  return new Pipeline(resolvePipelineOptions(options));
}

/** One direction: redact, seal, outbox (journal, memory), sink; and back comes what became of it. */
class Pipeline implements AuditPipeline {
  readonly producer: string;
  readonly instance: WorkflowContext = { run: new Run('instance', {}), workflow: {} };
  readonly brackets: RunBrackets;
  readonly transcripts: Transcripts;
  readonly #options: ResolvedPipelineOptions;
  readonly #redactor: Redactor;
  readonly #sealer: Sealer;
  readonly #outbox: Outbox;
  readonly #losses: LossReporter;
  readonly #instanceRun: InstanceRun;
  readonly #counts: EventCounts = { stored: 0, refused: 0, failed: 0, shed: 0, unsigned: 0 };
  readonly #awaited = new AwaitedOutcomes();
  readonly #durable: DurableEmission;
  readonly #sink: SinkCondition;
  readonly #bus: StoredEvents | undefined;
  #metrics: PipelineMetrics | undefined;
  #shutdown: Promise<void> | undefined;
  /** Nothing is kept any more. Until then it is, so that what ends while a service shuts down is not lost. */
  #closed = false;

  constructor(options: ResolvedPipelineOptions) {
    this.producer = options.producer;
    this.#options = options;
    this.brackets = createRunBrackets(options.lifecycle, (scope, input) => this.#accept(scope, input));
    this.#redactor = new Redactor(options.redaction);
    this.#sealer = new Sealer(options);
    this.#sink = new SinkCondition(options.sink.name);
    this.transcripts = createTranscripts(options);
    this.#bus = options.bus && new StoredEvents(options.bus);
    this.#outbox = new Outbox({
      ...options,
      onOutcome: (delivery, outcome) => this.#settled(delivery, outcome),
      reportLost: (count) =>
        this.#addOwn(this.instance, { event: 'audit_loss', fields: damageFields(options.journal!.folder, count) }) !==
        undefined,
    });
    this.#losses = new LossReporter((input) => this.#addOwn(this.instance, input)?.event);
    this.#instanceRun = new InstanceRun({
      ...options,
      scope: this.instance,
      outbox: this.#outbox,
      emit: (scope, input) => this.#addOwn(scope, input) !== undefined,
      health: () => this.health(),
      counts: this.#counts,
    });
    this.#durable = new DurableEmission({
      journal: options.journal,
      awaited: this.#awaited,
      emit: (scope, input) => this.#emit(scope, input),
      problems: {
        keeping: () => keepingProblem({ closed: this.#closed, losses: this.#losses.open, outbox: this.#outbox }),
        signing: () => (this.#closed ? undefined : this.#sealer.signing.problem),
        sink: () => this.#sink.error,
      },
    });
  }

  get attempts(): AttemptStore | undefined {
    return this.#closed ? undefined : this.#options.attempts;
  }

  emit(scope: WorkflowContext, input: EventInput, settled?: (outcome: WriteOutcome) => void): string | undefined {
    return this.#emit(scope, input, settled)?.id;
  }

  emitDurable(scope: WorkflowContext, input: EventInput, durability?: Durability, kept?: () => void): Promise<string> {
    return this.#durable.emit(scope, input, durability, kept);
  }

  health(): PipelineHealth {
    return pipelineHealth({
      ...this.#options,
      outbox: this.#outbox,
      losses: this.#losses.open,
      signing: this.#sealer.signing,
      counts: this.#counts,
      redactor: this.#redactor,
      transcripts: this.transcripts.writer.health,
      sinkError: this.#sink.error,
      isShutDown: this.#shutdown !== undefined,
    });
  }

  jwks(): Jwks | undefined {
    return this.#options.signing?.keys.jwks();
  }

  async flush(deadlineMs: number = FLUSH_MS): Promise<boolean> {
    this.#losses.drain();
    const [events, transcripts] = [this.#outbox, this.transcripts.writer].map((part) => part.settled(deadlineMs));
    return (await events!) && transcripts!;
  }

  shutdown(deadlineMs: number = SHUTDOWN_MS, { leaveJournal = false }: ShutdownOptions = {}): Promise<void> {
    return (this.#shutdown ??= this.#close(timerMs(deadlineMs), leaveJournal));
  }

  /** I1: nothing here waits. I5: nothing here throws. */
  #emit(scope: WorkflowContext, input: EventInput, settled?: (outcome: WriteOutcome) => void): KeptEvent | undefined {
    this.brackets.beforeEvent(scope);
    const kept = this.#accept(scope, input);
    if (kept === undefined && input.content !== undefined) this.transcripts.writer.shed(input.content.length);
    if (kept !== undefined && settled !== undefined) this.#awaited.add(kept.id, settled);
    return kept;
  }

  #accept(scope: WorkflowContext, input: EventInput): KeptEvent | undefined {
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
  #addOwn(scope: WorkflowContext, input: EventInput): KeptEvent | undefined {
    return this.#outbox.hasReserve ? this.#add(scope, input, true) : undefined;
  }

  #add(scope: WorkflowContext, input: EventInput, isOwn = false): KeptEvent | undefined {
    // At the first event, not in the constructor: a meter provider is often registered in between.
    this.#metrics ??= new PipelineMetrics(this.#options.sink, this.#counts, () => this.health());
    // I6: what was told is redacted, and only then is anything of ours written around it.
    const told = this.#redactor.input(input);
    const content = this.transcripts.ofSpans?.seal(scope, told);
    const whole = content === undefined ? told : withReferences(told, content);
    const event = this.#sealer.seal(scope, this.#instanceRun.completed(scope, whole));
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
      if (content !== undefined) this.transcripts.ofSpans!.write(content);
      return { event, id: eventId(event), position };
    }
    this.#losses.open.add(event, position);
    this.#counts.shed += 1;
    return undefined;
  }

  #settled(delivery: Delivery, outcome: WriteOutcome): void {
    const { event, feed, position, wasStored } = delivery;
    if (outcome.status === 'stored') {
      this.#sink.stored();
      if (!wasStored) this.#counts.stored += 1;
      feed?.done(position);
      this.#losses.stored(event);
      this.#metrics?.settled(event, true);
      this.#instanceRun.stored(event, outcome);
    } else {
      this.#sink.failed(outcome, this.#shutdown !== undefined);
      // What is in the journal is not lost: it is tried again, by the next process if need be.
      if (outcome.status === 'failed' && feed !== undefined) return feed.failed(delivery);
      this.#counts[outcome.status] += 1;
      this.#losses.lost(event, outcome.status);
      this.#metrics?.settled(event, false);
      feed?.done(position);
    }
    if (!this.#losses.open.empty && this.#outbox.accepting) this.#losses.drainSoon();
    this.#awaited.tell(event, outcome);
    // After all else: audit first, then bus. What is stored for a second time has been there.
    if (outcome.status === 'stored' && !wasStored) this.#bus?.publish(event);
  }

  #refuseClosed(): undefined {
    if (this.#counts.refused === 0) log.error('an event came after shutdown and is lost (reported once)');
    this.#counts.refused += 1;
  }

  async #close(deadlineMs: number, leaveJournal: boolean): Promise<void> {
    const parts = {
      transcripts: this.transcripts.writer,
      outbox: this.#outbox,
      losses: this.#losses,
      instanceRun: this.#instanceRun,
      counts: this.#counts,
    };
    await shutDown({ ...this.#options, ...parts }, deadlineMs, leaveJournal);
    this.#closed = !leaveJournal || this.#options.journal === undefined;
    this.#awaited.end();
    this.#metrics?.stop();
  }
}
