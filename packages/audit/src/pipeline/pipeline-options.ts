import { SpanledgerError, checkProducer } from '@spanledger/protocol';
import type { AttemptStore, AuditSink, EnvelopeForm } from '@spanledger/protocol';
import type { EventBus } from '../bus/create-event-bus.ts';
import type { Journal } from '../journal/journal.ts';
import { resolveRedaction } from '../redaction/redaction-options.ts';
import type { RedactionOptions, ResolvedRedaction } from '../redaction/redaction-options.ts';
import { SecretScrubber } from '../redaction/secret-scrubber.ts';
import { checkSigning } from '../signing/signing.ts';
import type { SigningOptions } from '../signing/signing.ts';
import { resolveTranscripts } from '../transcripts/transcript-options.ts';
import type { ResolvedTranscripts, TranscriptOptions } from '../transcripts/transcript-options.ts';
import type { LifecycleMode } from './run-brackets.ts';

export interface AuditPipelineOptions {
  /** The service's name: 1 to 128 bytes, stable over restarts and replicas. Also `entity_id`. */
  readonly producer: string;
  /** Where sealed events go. The pipeline owns it from now on, and closes it. */
  readonly sink: AuditSink;
  /**
   * Keeps sealed events on the local disk until the sink has them, and for its retention after that. The pipeline owns it
   * from now on, and closes it. Without one, what a crash finds in memory is lost.
   */
  readonly journal?: Journal | undefined;
  /**
   * Where the attempts of steps are counted, so that the count survives this process. The pipeline owns it from now on, and closes
   * it. Default: this process counts, and forgets when it ends.
   */
  readonly attempts?: AttemptStore | undefined;
  /**
   * Gets every event that the sink has stored, and not what was refused or lost; nor the ledger's events about itself. It stays the
   * caller's, and open at shutdown. Default: none.
   */
  readonly bus?: EventBus | undefined;
  /** `entity_type` of events that do not say. Default `agent`. */
  readonly entityType?: string;
  /** `service.version`, as a rule. */
  readonly agentVersion?: string | undefined;
  readonly orgId?: string | undefined;
  readonly workspaceId?: string | undefined;
  /** A flat subject for all events, as existing agents publish. Default: one subject per workflow, execution and producer. */
  readonly subject?: 'auditEvent';
  /** Default: nothing is signed. */
  readonly signing?: SigningOptions | undefined;
  /** What is taken out of events before they are sealed. Default: secrets of known shapes. */
  readonly redaction?: RedactionOptions | undefined;
  /**
   * Whether input and output of GenAI spans that are audit events are stored as transcripts, beside the ledger; the event carries their
   * digests in `fields.transcripts`. The sink must take transcripts. Default `false`.
   */
  readonly transcripts?: boolean | TranscriptOptions | undefined;
  /** `forge-1.0`: what Forge's schema has no place for is inside `fields`, so that Forge's verifier accepts signed events. Default `spanledger`. */
  readonly envelope?: EnvelopeForm | undefined;
  /** Default `with-events`. */
  readonly lifecycle?: LifecycleMode;
  /**
   * Sealed events in memory that have no outcome yet, in bytes; at least 16 times `eventMaxBytes`. Default 64 MiB; with a journal
   * 8 MiB, and what does not fit waits on the disk.
   */
  readonly queueMaxBytes?: number;
  /** One event, in bytes; larger ones have the largest values of `fields` cut. Default 65,536; 32,768 to 1,048,576. */
  readonly eventMaxBytes?: number;
  /** How often an `audit_checkpoint` is written at least, while something is stored. Milliseconds; default 60,000, 100 to 60,000. */
  readonly checkpointIntervalMs?: number;
}

/** Options with defaults and checks applied; never changed. */
export interface ResolvedPipelineOptions {
  readonly producer: string;
  readonly sink: AuditSink;
  readonly journal: Journal | undefined;
  readonly attempts: AttemptStore | undefined;
  readonly bus: EventBus | undefined;
  readonly entityType: string;
  readonly agentVersion: string | undefined;
  readonly orgId: string | undefined;
  readonly workspaceId: string | undefined;
  readonly flatSubject: string | undefined;
  readonly signing: SigningOptions | undefined;
  readonly redaction: ResolvedRedaction;
  /** Those of spans; `undefined`: none. */
  readonly transcripts: ResolvedTranscripts | undefined;
  readonly envelope: EnvelopeForm;
  readonly lifecycle: LifecycleMode;
  readonly queueMaxBytes: number;
  readonly eventMaxBytes: number;
  readonly checkpointIntervalMs: number;
}

const MIB = 1024 * 1024;
const QUEUE_MAX_BYTES = 64 * MIB;
const QUEUE_MAX_BYTES_WITH_JOURNAL = 8 * MIB;
const EVENT_MAX_BYTES = 65_536;
/** Room for what is not `fields` (`STRUCTURE_MAX_BYTES`), and as much again. */
const EVENT_MAX_BYTES_MIN = 32_768;
const TEXT_MAX = 128;

/** @throws SpanledgerError `SPANLEDGER_PRODUCER` or `SPANLEDGER_OPTION` */
export function resolvePipelineOptions(options: AuditPipelineOptions): ResolvedPipelineOptions {
  const eventMaxBytes = integer(
    'eventMaxBytes',
    options.eventMaxBytes ?? EVENT_MAX_BYTES,
    EVENT_MAX_BYTES_MIN,
    1_048_576,
  );
  const redaction = resolveRedaction(options.redaction);
  // What comes from the resource is in every event: it is looked at once.
  const scrubber = redaction.secrets ? new SecretScrubber(redaction.joinKey) : undefined;
  const own = (name: string, value: string | undefined): string | undefined => {
    const given = text(name, value);
    return given === undefined ? undefined : (scrubber?.text(given) ?? given);
  };
  return Object.freeze({
    producer: checkProducer(options.producer),
    sink: options.sink,
    journal: options.journal,
    attempts: attemptStore(options.attempts),
    bus: eventBus(options.bus),
    entityType: own('entityType', options.entityType) ?? 'agent',
    agentVersion: own('agentVersion', options.agentVersion),
    orgId: own('orgId', options.orgId),
    workspaceId: own('workspaceId', options.workspaceId),
    flatSubject: options.subject,
    signing: checkSigning(options.signing),
    redaction,
    transcripts: resolveTranscripts(options.transcripts, options.sink),
    envelope: envelopeForm(options.envelope ?? 'spanledger'),
    lifecycle: options.lifecycle ?? 'with-events',
    eventMaxBytes,
    queueMaxBytes: integer(
      'queueMaxBytes',
      options.queueMaxBytes ?? defaultQueueMaxBytes(options, eventMaxBytes),
      16 * eventMaxBytes,
      Number.MAX_SAFE_INTEGER,
    ),
    checkpointIntervalMs: integer('checkpointIntervalMs', options.checkpointIntervalMs ?? 60_000, 100, 60_000),
  });
}

function attemptStore(store: AttemptStore | undefined): AttemptStore | undefined {
  const usable = store === undefined || (typeof store.read === 'function' && typeof store.write === 'function');
  if (usable) return store;
  throw new SpanledgerError('SPANLEDGER_OPTION', 'attempts must be an AttemptStore: an object with `read` and `write`');
}

function eventBus(bus: EventBus | undefined): EventBus | undefined {
  const usable = bus === undefined || (typeof bus?.publish === 'function' && typeof bus.wants === 'function');
  if (usable) return bus;
  throw new SpanledgerError('SPANLEDGER_OPTION', 'bus must be an EventBus, as createEventBus makes it');
}

function defaultQueueMaxBytes({ journal }: AuditPipelineOptions, eventMaxBytes: number): number {
  return journal === undefined ? QUEUE_MAX_BYTES : Math.max(QUEUE_MAX_BYTES_WITH_JOURNAL, 16 * eventMaxBytes);
}

function envelopeForm(form: EnvelopeForm): EnvelopeForm {
  if (form === 'spanledger' || form === 'forge-1.0') return form;
  throw new SpanledgerError(
    'SPANLEDGER_OPTION',
    `envelope must be 'spanledger' or 'forge-1.0', got ${JSON.stringify(form)}`,
  );
}

function integer(name: string, value: number, min: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
  throw new SpanledgerError('SPANLEDGER_OPTION', `${name} must be a whole number from ${min} to ${max}, got ${value}`);
}

function text(name: string, value: string | undefined): string | undefined {
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'string' && value.length <= TEXT_MAX) return value.toWellFormed();
  throw new SpanledgerError('SPANLEDGER_OPTION', `${name} must be a string of at most ${TEXT_MAX} characters`);
}
