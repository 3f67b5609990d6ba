import type { NodeSDKConfiguration } from '@opentelemetry/sdk-node';
import type { EventBus } from '@spanledger/audit/bus';
import type {
  DesignationRules,
  RedactionOptions,
  SigningKeys,
  SigningOptions,
  TranscriptOptions,
} from '@spanledger/audit';
import type { ConnectNatsOptions, StreamOptions } from '@spanledger/jetstream';
import type { TrustInbound } from '@spanledger/otel';
import type { AttemptStore, AuditSink, EnvelopeForm, Jwks } from '@spanledger/protocol';

/** How to reach NATS, and the stream to write to. */
export interface NatsConfig extends Omit<ConnectNatsOptions, 'servers' | 'name' | 'signal' | 'onRetry'> {
  /**
   * `nats://[user:pass@]host:port`, one or several.
   * Environment: SPANLEDGER_NATS_URL, separated by commas. Without both, the ledger is a local file.
   */
  readonly servers?: string | readonly string[];
  /** Stream that is made where it is missing and may be made; an existing one is never changed. Default: `AUDIT_EVENTS`. */
  readonly stream?: StreamOptions;
  /** `auditEvent` publishes everything on that one subject, as Forge agents do. Default: a subject per execution and producer. */
  readonly subject?: 'auditEvent';
}

/** The journal of this process. Its directory is shared by the processes of one machine that have the same producer. */
export interface JournalConfig {
  /** On a local disk that outlives the process: `.spanledger` in the working directory by default. */
  readonly directory?: string;
  /** Length of its files together, with what was adopted from dead processes. Default 1 GiB; at least two segments. */
  readonly maxBytes?: number;
  /** How long events that the ledger has acknowledged are kept, in milliseconds. Default 600,000 (ten minutes). */
  readonly retentionMs?: number;
  /** Bytes of one file. Default 4 MiB; 4 KiB to 1 GiB. */
  readonly segmentBytes?: number;
}

/** What is signed, and with which Ed25519 key. One of `key`, `keyFile` and `keys`. */
export interface SigningConfig {
  /**
   * `checkpoint` signs the checkpoints, which name the heads of all runs; `event` signs every event, in the hook (about 40 µs).
   * Default `checkpoint`. Environment: SPANLEDGER_SIGNING_MODE.
   */
  readonly mode?: SigningOptions['mode'];
  /** PEM, or the base64 of PKCS#8 DER. Environment: SPANLEDGER_SIGNING_KEY. */
  readonly key?: string;
  /**
   * A file with the same. When another key is put into it, that one signs, within five seconds.
   * Environment: SPANLEDGER_SIGNING_KEY_FILE.
   */
  readonly keyFile?: string;
  /**
   * The name of the key: 1 to 128 visible ASCII characters. Default: its RFC 7638 thumbprint; so leave it out where keys are rotated.
   * Environment: SPANLEDGER_SIGNING_KID, or SPANLEDGER_SIGNING_KEY_KID.
   */
  readonly kid?: string;
  /** Keys of earlier processes, to be served with the active one. */
  readonly publicKeys?: Jwks;
  /** A ring of one's own (`createKeyRing`), to rotate it; or another signer. */
  readonly keys?: SigningKeys;
}

/** Content, stored beside the ledger. */
export interface TranscriptsConfig extends TranscriptOptions {
  /** Input and output of GenAI spans. `false`: only what `audit.writeTranscript` is given. Default `true`. */
  readonly spans?: boolean;
  /**
   * Stream that is made where it is missing and may be made; an existing one is never changed. Default: `AUDIT_TRANSCRIPTS`, with as many
   * replicas as `nats.stream`.
   */
  readonly stream?: StreamOptions;
}

/** What a service says of itself. Everything is optional where the environment says it; every unknown key is an error. */
export interface SpanledgerConfig {
  /**
   * The name under which this service writes: 1 to 128 bytes, the same over restarts and replicas.
   * Environment: OTEL_SERVICE_NAME, or `service.name` in OTEL_RESOURCE_ATTRIBUTES. Required in one of these places.
   */
  readonly producer?: string;
  readonly nats?: NatsConfig;
  /** A ledger other than NATS or the local file; closed at shutdown. Not together with `nats`. */
  readonly sink?: AuditSink;
  /**
   * Keeps events on the local disk until the ledger has them: a directory, or an object with sizes; `false` keeps them in memory
   * only. Default: on, in `.spanledger` of the working directory. Environment: SPANLEDGER_JOURNAL_DIR.
   *
   * One that is given here or in the environment and cannot be created is the error `SPANLEDGER_JOURNAL`. Without the default
   * one the service goes on with its events in memory, and says so.
   */
  readonly journal?: string | JournalConfig | false;
  /**
   * Where the attempts of steps are counted. Environment: SPANLEDGER_ATTEMPTS.
   *
   * - `memory` (default): in this process, which forgets when it ends.
   * - `kv`: in the JetStream bucket `WORKFLOW_ATTEMPTS`, reached as `nats` says, so that the count survives, and is one for all
   *   replicas. While it cannot be reached, no step begins: `SPANLEDGER_ATTEMPTS`.
   * - `kv-or-memory`: the same, but while it cannot be reached, this process counts alone.
   * - a store of one's own, closed at shutdown.
   */
  readonly attempts?: 'memory' | 'kv' | 'kv-or-memory' | AttemptStore;
  /**
   * Live progress: gets every event that the ledger has stored (`createEventBus`). It stays the application's, and open at
   * shutdown. Default: none.
   */
  readonly bus?: EventBus;
  /** Default: nothing is signed, unless the environment has a key; `false`: nothing, whatever the environment has. */
  readonly signing?: SigningConfig | false;
  /** What is taken out of events before they are sealed. Default: secrets of known shapes. */
  readonly redaction?: RedactionOptions;
  /**
   * Whether what models are told and answer is stored, as transcripts beside the ledger, on `nats` or in a `sink` that takes them; events
   * carry their digests. Default `false`. Environment: SPANLEDGER_TRANSCRIPTS (`true`, `false`).
   */
  readonly transcripts?: boolean | TranscriptsConfig;
  /**
   * `forge-1.0` keeps what Forge's schema has no place for inside `fields.spanledger`, so that Forge's own verifier accepts signed
   * events. Default `spanledger`.
   */
  readonly envelope?: EnvelopeForm;
  /** Where workflow identity may be sent to. Default: nowhere. Environment: SPANLEDGER_ALLOWED_HOSTS, separated by commas. */
  readonly outbound?: { readonly allowedHosts: readonly string[] };
  /** Whether to believe inbound workflow headers: `true` (default), `false`, or a function of the request. */
  readonly trustInbound?: TrustInbound;
  /** Which spans are audit events. Default: `[genai(), http()]`. A list of one's own replaces it. */
  readonly audit?: DesignationRules;
  /** `all` (default) records every span; `workflow` only those inside a workflow (rules then need start-time data). */
  readonly record?: 'all' | 'workflow';
  /**
   * Bytes of events waiting for the ledger, in memory. Default 8,388,608 with a journal, where the others wait on the disk; 67,108,864
   * without one, and what does not fit is an `audit_loss`.
   */
  readonly queueMaxBytes?: number;
  /** Bytes of one event; larger ones are truncated with a mark. Default 65,536; 32,768 to 1,048,576. */
  readonly eventMaxBytes?: number;
  /** `org_id` and `workspace_id` of every event. At most 128 characters each. Default: absent. */
  readonly orgId?: string;
  readonly workspaceId?: string;
  /** Milliseconds that `flush`, `shutdown` and the end of the process wait for the ledger. Default 5,000. */
  readonly shutdownTimeoutMs?: number;
  /** Go on without a ledger where OpenTelemetry is disabled, instead of the error SPANLEDGER_DISABLED. Default `false`. */
  readonly allowDisabled?: boolean;
}

/** The same with `start()`, which makes the SDK as well. */
export interface StartConfig extends SpanledgerConfig {
  /** Beside those of `http` and `undici` (`fetch`), which are always there. */
  readonly instrumentations?: NodeSDKConfiguration['instrumentations'];
}

/** Every key of a `SpanledgerConfig`, kept whole by the compiler. */
export const CONFIG_KEYS = Object.keys({
  producer: true,
  nats: true,
  sink: true,
  journal: true,
  attempts: true,
  bus: true,
  signing: true,
  redaction: true,
  transcripts: true,
  envelope: true,
  outbound: true,
  trustInbound: true,
  audit: true,
  record: true,
  queueMaxBytes: true,
  eventMaxBytes: true,
  orgId: true,
  workspaceId: true,
  shutdownTimeoutMs: true,
  allowDisabled: true,
} satisfies Record<keyof SpanledgerConfig, true>);

export const NATS_KEYS = Object.keys({
  servers: true,
  stream: true,
  subject: true,
  inboxPrefix: true,
  credsFile: true,
  nkeySeed: true,
  token: true,
  user: true,
  pass: true,
  tls: true,
} satisfies Record<keyof NatsConfig, true>);

export const JOURNAL_KEYS = Object.keys({
  directory: true,
  maxBytes: true,
  retentionMs: true,
  segmentBytes: true,
} satisfies Record<keyof JournalConfig, true>);

export const TRANSCRIPTS_KEYS = Object.keys({
  spans: true,
  stream: true,
  contentMax: true,
} satisfies Record<keyof TranscriptsConfig, true>);

export const SIGNING_KEYS = Object.keys({
  mode: true,
  key: true,
  keyFile: true,
  kid: true,
  publicKeys: true,
  keys: true,
} satisfies Record<keyof SigningConfig, true>);
