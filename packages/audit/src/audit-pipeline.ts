import type { WorkflowContext } from '@spanledger/otel/internal';
import type { AttemptStore, Jwks, WriteOutcome } from '@spanledger/protocol';
import type { EventInput } from './event-input.ts';
import type { PipelineHealth } from './pipeline/health.ts';
import type { RunBrackets } from './pipeline/run-brackets.ts';
import type { Transcripts } from './transcripts/create-transcripts.ts';

/** When an event counts as durable, for `emitDurable`. */
export interface Durability {
  /**
   * - `journal`: on this machine's disk; without a journal, that is an error.
   * - `acknowledged`: the sink has stored it.
   *
   * Default: `journal` where there is one, else `acknowledged`.
   */
  readonly durable?: 'journal' | 'acknowledged';
  /** How long to wait, in milliseconds. Default 5,000. */
  readonly deadlineMs?: number;
}

export interface ShutdownOptions {
  /**
   * The process ends as soon as this is over, but other code may still run and emit: the journal is synced and goes on taking
   * events until the end, when the caller calls its `closeNow`. Default `false`.
   */
  readonly leaveJournal?: boolean;
}

/**
 * The one way from "this happened" to the ledger: envelope, seal, queue, sink. One per process.
 */
export interface AuditPipeline {
  readonly producer: string;

  /**
   * The instance run: what belongs to no request and no execution is sealed here, and `audit_loss`. Each pipeline has one of
   * its own, because a run has one producer and one ledger: shared, it would show gaps in both.
   */
  readonly instance: WorkflowContext;

  /** Where the attempts of steps are counted; `undefined` in this process alone, and once the pipeline is closed. */
  readonly attempts: AttemptStore | undefined;

  /** For the lifecycle emitter of a run from a carrier: its first and its last event. */
  readonly brackets: RunBrackets;

  /**
   * Seals an event into the scope's run (into `instance` where that is the process's) and queues it for the sink.
   *
   * I1: synchronous. I5: never throws and never waits; what cannot be accepted is counted and reported as `audit_loss`.
   *
   * @param settled told once what became of the event, if one was queued. It must not throw.
   * @returns the event id `<run_id>:<seq>`, or `undefined` if no event was queued.
   */
  emit(scope: WorkflowContext, input: EventInput, settled?: (outcome: WriteOutcome) => void): string | undefined;

  /**
   * Seals an event as `emit` does, and waits until it is durable. For code that can wait, never from a span hook.
   *
   * @param kept called before this returns, if the event was queued. It must not throw.
   * @returns the event id.
   * @throws SpanledgerError `SPANLEDGER_NOT_DURABLE` if it is not within the deadline, or never will be; with the `cause`, where
   * one is known. The event may still reach the ledger.
   */
  emitDurable(scope: WorkflowContext, input: EventInput, durability?: Durability, kept?: () => void): Promise<string>;

  /** Content beside the ledger. It is in no journal, and takes no number. */
  readonly transcripts: Transcripts;

  /** How it is doing now. */
  health(): PipelineHealth;

  /** The public keys that its events can be verified with; `undefined` where nothing is signed. */
  jwks(): Jwks | undefined;

  /** Waits until everything emitted so far has an outcome, transcripts too. @returns false if the deadline came first. */
  flush(deadlineMs?: number): Promise<boolean>;

  /**
   * Flushes, then closes sink and journal. Idempotent. What is emitted until that is over is kept in the journal, if there is
   * one; what comes later is refused and counted.
   */
  shutdown(deadlineMs?: number, options?: ShutdownOptions): Promise<void>;
}
