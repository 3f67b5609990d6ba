import { genai, http } from '@spanledger/audit';
import type { EventBus } from '@spanledger/audit/bus';
import type { DesignationRules, RedactionOptions } from '@spanledger/audit';
import type { TrustInbound } from '@spanledger/otel';
import { SpanledgerError, checkProducer } from '@spanledger/protocol';
import type { AttemptStore, AuditSink, EnvelopeForm } from '@spanledger/protocol';
import { NATS_KEYS } from './config.ts';
import type { SpanledgerConfig } from './config.ts';
import { listOf } from './environment-list.ts';
import { resolveNats } from './resolve-nats.ts';
import type { ResolvedNats } from './resolve-nats.ts';
import { resolveAttempts } from './resolve-attempts.ts';
import type { ResolvedBucket } from './resolve-attempts.ts';
import { resolveJournal } from './resolve-journal.ts';
import type { ResolvedJournal } from './resolve-journal.ts';
import { resolveSigning } from './resolve-signing.ts';
import { resolveTranscripts } from './resolve-transcripts.ts';
import type { ResolvedTranscripts } from './resolve-transcripts.ts';
import type { ResolvedSigning } from './resolve-signing.ts';
import { refuseUnknown } from './unknown-option.ts';

/** A configuration with environment and defaults applied. Frozen. What belongs to one part is checked by that part. */
export interface ResolvedConfig {
  readonly producer: string;
  readonly agentVersion: string | undefined;
  /** `undefined`: the ledger is `sink`, or a local file. */
  readonly nats: ResolvedNats | undefined;
  readonly sink: AuditSink | undefined;
  /** `undefined`: events are in memory only. */
  readonly journal: ResolvedJournal | undefined;
  /** `undefined`: attempts are counted in this process alone. */
  readonly attempts: AttemptStore | ResolvedBucket | undefined;
  readonly bus: EventBus | undefined;
  /** `undefined`: nothing is signed. */
  readonly signing: ResolvedSigning | undefined;
  readonly redaction: RedactionOptions | undefined;
  /** `undefined`: none are taken. */
  readonly transcripts: ResolvedTranscripts | undefined;
  readonly envelope: EnvelopeForm | undefined;
  readonly outbound: { readonly allowedHosts: readonly string[] } | undefined;
  readonly trustInbound: TrustInbound;
  readonly audit: DesignationRules;
  readonly record: 'all' | 'workflow';
  readonly queueMaxBytes: number | undefined;
  readonly eventMaxBytes: number | undefined;
  readonly orgId: string | undefined;
  readonly workspaceId: string | undefined;
  readonly shutdownTimeoutMs: number;
  readonly allowDisabled: boolean;
}

/** What OpenTelemetry calls this service. */
export interface Service {
  readonly name: string | undefined;
  readonly version: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Option, else environment, else default or error; once. The input is not changed.
 *
 * @param known the option names of the caller: any other is an error that names the nearest.
 * @throws SpanledgerError `SPANLEDGER_OPTION` or `SPANLEDGER_PRODUCER`
 */
export function resolveConfig(
  config: SpanledgerConfig,
  known: readonly string[],
  service: Service,
  env: Environment,
): ResolvedConfig {
  refuseUnknown(config, known, '');
  if (config.nats !== undefined) refuseUnknown(config.nats, NATS_KEYS, 'nats.');
  if (config.outbound !== undefined) refuseUnknown(config.outbound, ['allowedHosts'], 'outbound.');
  if (config.sink !== undefined && config.nats !== undefined) {
    throw new SpanledgerError(
      'SPANLEDGER_OPTION',
      '`sink` and `nats` are both given: use fanOutSink to write to several ledgers',
    );
  }
  const nats = config.sink === undefined ? resolveNats(config.nats, env) : undefined;
  return Object.freeze({
    producer: checkProducer(config.producer ?? service.name),
    agentVersion: service.version,
    nats,
    sink: config.sink,
    journal: resolveJournal(config.journal, env['SPANLEDGER_JOURNAL_DIR']),
    attempts: resolveAttempts(config.attempts, env['SPANLEDGER_ATTEMPTS'], () => resolveNats(config.nats, env)),
    bus: config.bus,
    signing: resolveSigning(config.signing, env),
    redaction: config.redaction,
    transcripts: resolveTranscripts(config, env['SPANLEDGER_TRANSCRIPTS'], nats),
    envelope: config.envelope,
    outbound: resolveOutbound(config.outbound, env),
    trustInbound: config.trustInbound ?? true,
    audit: config.audit ?? [genai(), http()],
    record: oneOf('record', config.record ?? 'all', ['all', 'workflow']),
    queueMaxBytes: config.queueMaxBytes,
    eventMaxBytes: config.eventMaxBytes,
    orgId: config.orgId,
    workspaceId: config.workspaceId,
    shutdownTimeoutMs: milliseconds('shutdownTimeoutMs', config.shutdownTimeoutMs ?? 5_000),
    allowDisabled: config.allowDisabled ?? false,
  });
}

function resolveOutbound(outbound: SpanledgerConfig['outbound'], env: Environment): ResolvedConfig['outbound'] {
  const allowedHosts = outbound?.allowedHosts ?? listOf(env['SPANLEDGER_ALLOWED_HOSTS']);
  return allowedHosts === undefined ? undefined : { allowedHosts };
}

function oneOf<T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (allowed.includes(value)) return value;
  const choice = allowed.map((one) => `'${one}'`).join(' or ');
  throw new SpanledgerError('SPANLEDGER_OPTION', `${name} must be ${choice}, got ${JSON.stringify(value)}`);
}

function milliseconds(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0 && value < 2 ** 31) return value;
  throw new SpanledgerError(
    'SPANLEDGER_OPTION',
    `${name} must be a whole number of milliseconds from 0, got ${String(value)}`,
  );
}
