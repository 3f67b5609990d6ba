import { loggable } from '@spanledger/otel/internal';
import type { AuditSink } from '@spanledger/protocol';
import type { Outbox } from '../delivery/outbox.ts';
import type { Journal } from '../journal/journal.ts';
import type { Signing, SigningHealth } from '../signing/signing.ts';
import type { ResolvedRedaction } from '../redaction/redaction-options.ts';
import type { Redactor } from '../redaction/redactor.ts';
import type { OpenLosses } from './open-losses.ts';
import type { TranscriptHealth } from '../transcripts/transcript-writer.ts';
import type { EventCounts } from './event-counts.ts';

/** Something is on its way, and nothing has arrived for so long. */
const STALLED_MS = 5_000;

/** How a pipeline is doing, for a readiness probe and for people. Plain data. */
export interface PipelineHealth {
  /**
   * - `ok`: events reach the sink.
   * - `degraded`: the sink stores nothing at the moment, and events are kept, in the journal or in memory; or checkpoints cannot
   *   be signed.
   * - `failing`: new events are lost (and reported as such later): there is no room, or none can be signed, or the pipeline is
   *   shut down.
   */
  readonly status: 'ok' | 'degraded' | 'failing';
  /** A new event would be kept: false exactly when `failing`. */
  readonly accepting: boolean;
  readonly sink: {
    readonly name: string;
    readonly healthy: boolean;
    /** Why it stores nothing, where that is known; without secrets. */
    readonly problem?: string;
  };
  /** Sealed events in memory that have no outcome yet. */
  readonly queue: { readonly events: number; readonly bytes: number };
  /** Absent without a journal. */
  readonly journal?: {
    readonly folder: string;
    /** Length of the files, with what is not used yet and what was adopted. */
    readonly bytes: number;
    readonly unacknowledged: number;
    /** No event that is not acknowledged is older, in milliseconds. */
    readonly oldestAgeMs: number;
    /** It took the last event that it was offered. */
    readonly healthy: boolean;
  };
  /**
   * Events since the start that lost their payload because the redaction policy threw, or returned none. Absent without a policy.
   *
   * They change neither `status` nor `accepting`: each is stored, in its place, and a probe that took a service out for them would
   * let one odd payload stop every replica, as all have the same policy. Alert on `spanledger.redaction.failures` instead.
   */
  readonly redaction?: { readonly failures: number };
  /** Absent where nothing is signed. */
  readonly signing?: SigningHealth;
  /** Transcripts by outcome since the start, and those in memory. Absent where the sink takes none. */
  readonly transcripts?: TranscriptHealth;
  /** Events lost since the start, and how many of them no `audit_loss` in the ledger names yet. */
  readonly losses: { readonly events: number; readonly unreported: number };
}

/** What of a pipeline its health is read from. */
interface HealthParts {
  readonly sink: AuditSink;
  readonly journal: Journal | undefined;
  readonly outbox: Outbox;
  readonly losses: OpenLosses;
  readonly signing: Signing;
  readonly counts: EventCounts;
  readonly redaction: ResolvedRedaction;
  readonly redactor: Redactor;
  readonly transcripts: TranscriptHealth | undefined;
  /** What the sink answered last, if that was a failure. */
  readonly sinkError: Error | undefined;
  readonly isShutDown: boolean;
}

export function pipelineHealth(parts: HealthParts): PipelineHealth {
  const { sink, journal, outbox, losses, signing, sinkError, isShutDown } = parts;
  const { refused, failed, shed, unsigned } = parts.counts;
  const { queue, journalHealthy } = outbox;
  const accepting = !isShutDown && !losses.full && outbox.accepting && !signing.losesEvents;
  const sinkState = sinkHealth(sink, sinkError, queue.stalledMs);
  const isWell = sinkState.healthy && signing.problem === undefined;
  const signingState = signing.health;
  return {
    status: accepting ? (isWell ? 'ok' : 'degraded') : 'failing',
    accepting,
    sink: sinkState,
    queue: { events: queue.events, bytes: queue.bytes },
    ...(journal && { journal: { folder: journal.folder, healthy: journalHealthy, ...journal.stats } }),
    ...(parts.redaction.policy && { redaction: { failures: parts.redactor.failures } }),
    ...(signingState && { signing: signingState }),
    ...(parts.transcripts && { transcripts: parts.transcripts }),
    losses: { events: refused + failed + shed + unsigned, unreported: losses.count },
  };
}

function sinkHealth(sink: AuditSink, lastError: Error | undefined, stalledMs: number): PipelineHealth['sink'] {
  const stalled = stalledMs > STALLED_MS ? `no answer for ${Math.round(stalledMs / 1000)} s` : undefined;
  const problem = sink.status?.().problem?.message ?? lastError?.message ?? stalled;
  // A readiness route shows it to whoever asks.
  return {
    name: sink.name,
    healthy: problem === undefined,
    ...(problem !== undefined && { problem: loggable(problem) }),
  };
}
