import { hash } from 'node:crypto';
import { diag } from '@opentelemetry/api';
import { Run } from '@spanledger/otel/internal';
import type { WorkflowContext } from '@spanledger/otel/internal';
import { SpanledgerError, encodeSubject, eventId, isEventName, seal } from '@spanledger/protocol';
import type { SealedEvent, WriteOutcome } from '@spanledger/protocol';
import type { AuditPipeline, Durability } from '../audit-pipeline.ts';
import type { EventInput } from '../event-input.ts';
import { DeliveryQueue } from './delivery-queue.ts';
import { createEnvelope } from './envelope.ts';
import type { PipelineHealth } from './health.ts';
import { LossReporter } from './loss-reporter.ts';
import { resolvePipelineOptions } from './pipeline-options.ts';
import type { AuditPipelineOptions, ResolvedPipelineOptions } from './pipeline-options.ts';
import { observePipeline } from './pipeline-metrics.ts';
import type { EventCounts } from './pipeline-metrics.ts';
import { createRunBrackets } from './run-brackets.ts';
import type { RunBrackets } from './run-brackets.ts';
import { boundSize } from './size-bound.ts';

const log = diag.createComponentLogger({ namespace: '@spanledger/audit' });
const sha256 = (bytes: Uint8Array): string => hash('sha256', bytes, 'hex');

/** Shedding starts when the queue is fuller than this, and ends when it is emptier than that. Between: no flapping. */
const SHED_ABOVE = 7 / 8;
const SHED_UNTIL = 3 / 4;
/** What is above the mark is kept for `audit_loss`; one needs less than this, in bytes. */
const REPORT_MAX_BYTES = 4_096;

/** Node's timers know no later moment, and fire at once for one. 24 days. */
const DEADLINE_MAX_MS = 2 ** 31 - 1;
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

class Pipeline implements AuditPipeline {
  readonly producer: string;
  readonly instance: WorkflowContext = { run: new Run('instance', {}), workflow: {} };
  readonly brackets: RunBrackets;
  readonly #options: ResolvedPipelineOptions;
  readonly #queue: DeliveryQueue;
  readonly #losses: LossReporter;
  readonly #counts: EventCounts = { stored: 0, refused: 0, failed: 0, shed: 0 };
  // I7: weak, so a subject lives as long as its run.
  readonly #subjects = new WeakMap<object, string>();
  /** Those who wait for the outcome of an event. I7: as many as there are events in the queue, at most. */
  readonly #awaited = new Map<SealedEvent, (outcome: WriteOutcome) => void>();
  #shedding = false;
  #sinkFailing = false;
  #sealFailing = false;
  #stopObserving: (() => void) | undefined;
  #shutdown: Promise<void> | undefined;

  constructor(options: ResolvedPipelineOptions) {
    this.producer = options.producer;
    this.#options = options;
    this.brackets = createRunBrackets(options.lifecycle, (scope, input) => this.#accept(scope, input));
    this.#queue = new DeliveryQueue(options.sink, (event, outcome) => this.#settled(event, outcome));
    this.#losses = new LossReporter((input) => this.#report(input));
  }

  emit(scope: WorkflowContext, input: EventInput, settled?: (outcome: WriteOutcome) => void): string | undefined {
    this.brackets.beforeEvent(scope);
    return this.#accept(scope, input, settled);
  }

  emitDurable(
    scope: WorkflowContext,
    input: EventInput,
    { deadlineMs = SHUTDOWN_MS }: Durability = {},
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const refuse = (cause: unknown): void =>
        reject(new SpanledgerError('SPANLEDGER_NOT_DURABLE', 'the event is not durable', { cause }));
      const timer = setTimeout(refuse, bounded(deadlineMs));
      const id = this.emit(scope, input, (outcome) => {
        clearTimeout(timer);
        if (outcome.status === 'stored') resolve(id!);
        else refuse(outcome.error);
      });
      if (id !== undefined) return;
      clearTimeout(timer);
      refuse(undefined);
    });
  }

  health(): PipelineHealth {
    const accepting = !this.#shedding && this.#shutdown === undefined && !this.#losses.open.full;
    const { bytes, events } = this.#queue;
    return {
      status: accepting ? (this.#sinkFailing ? 'degraded' : 'ok') : 'failing',
      accepting,
      sink: { name: this.#options.sink.name, healthy: !this.#sinkFailing },
      queue: { bytes, events },
      losses: { events: this.#counts.shed, unreported: this.#losses.open.count },
    };
  }

  async flush(deadlineMs: number = FLUSH_MS): Promise<boolean> {
    this.#losses.drain();
    return this.#queue.settled(bounded(deadlineMs));
  }

  shutdown(deadlineMs: number = SHUTDOWN_MS): Promise<void> {
    return (this.#shutdown ??= this.#close(bounded(deadlineMs)));
  }

  /** One direction: envelope, bound, seal, queue. I1: nothing here waits. I5: nothing here throws. */
  #accept(scope: WorkflowContext, input: EventInput, settled?: (outcome: WriteOutcome) => void): string | undefined {
    if (this.#shutdown !== undefined) {
      this.#refuseClosed();
      return undefined;
    }
    this.#shedIfFull();
    // I3: what cannot be named in a report must not get a number.
    if (this.#losses.open.full) {
      this.#losses.open.unnumbered += 1;
      this.#counts.shed += 1;
      return undefined;
    }
    const event = this.#seal(scope.run.origin === 'instance' ? this.instance : scope, input);
    if (event === undefined) return undefined;
    if (this.#shedding) {
      this.#losses.open.add(event, 'queue_full');
      this.#counts.shed += 1;
      return undefined;
    }
    if (settled !== undefined) this.#awaited.set(event, settled);
    this.#push(event);
    return eventId(event);
  }

  #seal(scope: WorkflowContext, input: EventInput): SealedEvent | undefined {
    try {
      return this.#sealDraft(scope, input);
    } catch (first) {
      // I6: what cannot be written loses its payload, not the event.
      try {
        return this.#sealDraft(scope, { ...input, fields: { '…': '[unreadable]' } });
      } catch {
        this.#counts.failed += 1;
        if (!this.#sealFailing) log.error('an event could not be sealed (reported once)', first);
        this.#sealFailing = true;
        return undefined;
      }
    }
  }

  #sealDraft(scope: WorkflowContext, input: EventInput): SealedEvent {
    if (!isEventName(input.event)) {
      throw new SpanledgerError('SPANLEDGER_EVENT', `not an event name: ${JSON.stringify(input.event)?.slice(0, 200)}`);
    }
    const draft = createEnvelope(this.#options, scope, input);
    boundSize(draft, this.#options.eventMaxBytes);
    return seal(scope.run.chain, draft, this.#subjectOf(scope), sha256);
  }

  #subjectOf({ run }: WorkflowContext): string {
    if (this.#options.flatSubject !== undefined) return this.#options.flatSubject;
    let subject = this.#subjects.get(run);
    if (subject === undefined) {
      const { workflowId, executionId } = run;
      subject = encodeSubject({ workflowId, executionId, producer: this.producer });
      this.#subjects.set(run, subject);
    }
    return subject;
  }

  #push(event: SealedEvent): void {
    // At the first event, not in the constructor: a meter provider is often registered in between.
    this.#stopObserving ??= observePipeline(this.#counts, this.#queue);
    this.#queue.push(event);
  }

  #report(input: EventInput): SealedEvent | undefined {
    if (this.#queue.bytes + REPORT_MAX_BYTES > this.#options.queueMaxBytes) return undefined;
    const event = this.#seal(this.instance, input);
    if (event !== undefined) this.#push(event);
    return event;
  }

  #settled(event: SealedEvent, outcome: WriteOutcome): void {
    this.#counts[outcome.status] += 1;
    if (outcome.status === 'stored') {
      if (this.#sinkFailing) log.info(`sink ${this.#options.sink.name} stores again`);
      this.#sinkFailing = false;
      this.#losses.stored(event);
    } else {
      if (!this.#sinkFailing) log.error(`sink ${this.#options.sink.name} ${outcome.status} an event:`, outcome.error);
      this.#sinkFailing = true;
      this.#losses.lost(event, outcome.status);
    }
    this.#unshedIfRoom();
    this.#tell(event, outcome);
  }

  #tell(event: SealedEvent, outcome: WriteOutcome): void {
    if (this.#awaited.size === 0) return;
    const settled = this.#awaited.get(event);
    this.#awaited.delete(event);
    settled?.(outcome);
  }

  #shedIfFull(): void {
    if (this.#shedding || this.#queue.bytes <= this.#options.queueMaxBytes * SHED_ABOVE) return;
    this.#shedding = true;
    log.error(
      `the queue is full (${this.#queue.events} events): what follows is lost, and will be reported as audit_loss`,
    );
  }

  #unshedIfRoom(): void {
    if (this.#queue.bytes > this.#options.queueMaxBytes * SHED_UNTIL) return;
    if (!this.#shedding) {
      if (!this.#losses.open.empty) this.#losses.drainSoon();
      return;
    }
    log.warn('the queue has room again');
    this.#shedding = false;
    // At once, so that it comes before any later event of those runs.
    this.#losses.drain();
  }

  #refuseClosed(): void {
    if (this.#counts.refused === 0) log.error('an event came after shutdown and is lost (reported once)');
    this.#counts.refused += 1;
  }

  async #close(deadlineMs: number): Promise<void> {
    const endAtMs = performance.now() + deadlineMs;
    const leftMs = (): number => Math.max(0, endAtMs - performance.now());
    // The last quarter is for the sink to let go of its medium.
    const flushUntil = (): number => Math.max(0, leftMs() - deadlineMs / 4);
    this.#losses.drainNow();
    // Twice: what the first wait shows as lost is reported in the second. Some reports may be on their way already.
    if (await this.#queue.settled(flushUntil())) {
      this.#losses.drainNow();
      await this.#queue.settled(flushUntil());
    }
    this.#losses.close();
    await this.#options.sink.close(leftMs());
    const lost = this.#losses.open.count + this.#queue.events;
    if (lost > 0) log.error(`shut down with losses that are not in the ledger: ${lost} events`, this.#counts);
    this.#stopObserving?.();
  }
}

/** `Infinity` means as long as it takes. */
function bounded(deadlineMs: number): number {
  return Math.min(deadlineMs, DEADLINE_MAX_MS);
}
