import { AUDIT_STREAM, AUDIT_SUBJECT, TRANSCRIPT_STREAM, TRANSCRIPT_SUBJECT } from '@spanledger/protocol';

export interface StreamOptions {
  /** Default `AUDIT_EVENTS`. */
  readonly stream?: string;
  /** Copies in a cluster, 1 to 5. Default 1: for development only. */
  readonly replicas?: number;
  /** A full stream refuses new events, and never eats old ones. Bytes; default: no limit. */
  readonly maxBytes?: number;
  /** Events older than this are deleted by the server. Milliseconds; default: never. */
  readonly maxAgeMs?: number;
  /** How long the server recognises a repeated publish. Milliseconds; default 600,000. */
  readonly duplicateWindowMs?: number;
}

/** One setting of an existing stream that is not as it should be. */
export interface StreamDifference {
  /** Its name in the JetStream API, such as `deny_delete`. */
  readonly setting: string;
  readonly expected: unknown;
  readonly actual: unknown;
  /** `error`: events can be lost, changed or not stored at all. `warning`: it works, with less than was asked for. */
  readonly severity: 'error' | 'warning';
}

/** Stream configuration as the JetStream API writes it. */
export interface StreamConfig {
  readonly name: string;
  readonly [setting: string]: unknown;
}

const NANOS_PER_MS = 1e6;
const UNLIMITED = -1;

/** Settings without which a ledger is not append-only or not complete, or transcripts cannot be erased. */
const ESSENTIAL: ReadonlySet<string> = new Set([
  'subjects',
  'storage',
  'retention',
  'discard',
  'deny_delete',
  'deny_purge',
  'max_msgs_per_subject',
  'sealed',
  'allow_rollup_hdrs',
  'persist_mode',
]);

/** What an audit stream is created with (DESIGN 3.5). */
export function streamConfig(options: StreamOptions, features: { compression: boolean }): StreamConfig {
  return {
    name: options.stream ?? AUDIT_STREAM,
    subjects: [AUDIT_SUBJECT, `${AUDIT_SUBJECT}.>`],
    storage: 'file',
    retention: 'limits',
    discard: 'new',
    deny_delete: true,
    deny_purge: true,
    allow_direct: true,
    num_replicas: options.replicas ?? 1,
    max_bytes: options.maxBytes ?? UNLIMITED,
    max_age: (options.maxAgeMs ?? 0) * NANOS_PER_MS,
    duplicate_window: (options.duplicateWindowMs ?? 600_000) * NANOS_PER_MS,
    ...(features.compression && { compression: 's2' }),
  };
}

/** What the stream of transcripts is created with: as the ledger's, but content must be erasable on request. */
export function transcriptStreamConfig(options: StreamOptions, features: { compression: boolean }): StreamConfig {
  return {
    ...streamConfig({ ...options, stream: options.stream ?? TRANSCRIPT_STREAM }, features),
    subjects: [`${TRANSCRIPT_SUBJECT}.>`],
    deny_delete: false,
    deny_purge: false,
  };
}

/** Compares what a stream has with what it should have. */
export function compareConfig(expected: StreamConfig, actual: StreamConfig): StreamDifference[] {
  // Not asked for when a stream is created, because these are the server's defaults, and some servers do not know them.
  const defaults = { max_msgs_per_subject: UNLIMITED, sealed: false, allow_rollup_hdrs: false, persist_mode: '' };
  const differences: StreamDifference[] = [];
  for (const [setting, value] of Object.entries({ ...defaults, ...expected })) {
    const found = actual[setting] ?? emptyLike(value);
    const same = setting === 'subjects' ? coversAll(found, value) : isSame(setting, value, found);
    if (same) continue;
    const severity = ESSENTIAL.has(setting) ? 'error' : 'warning';
    differences.push({ setting, expected: value, actual: found, severity });
  }
  return differences;
}

function isSame(setting: string, expected: unknown, actual: unknown): boolean {
  if (setting === 'persist_mode') return actual !== 'async';
  if (setting === 'duplicate_window' || setting === 'num_replicas') return Number(actual) >= Number(expected);
  // The API writes "no limit" as 0 or as -1.
  if (setting.startsWith('max_')) return Math.max(Number(expected), 0) === Math.max(Number(actual), 0);
  return expected === actual;
}

/** What the API leaves out. */
function emptyLike(value: unknown): unknown {
  if (typeof value === 'boolean') return false;
  return typeof value === 'number' ? 0 : '';
}

function coversAll(patterns: unknown, subjects: unknown): boolean {
  const available = Array.isArray(patterns) ? patterns.map(String) : [];
  return (subjects as string[]).every((subject) => available.some((pattern) => covers(pattern, subject)));
}

/** Whether everything that matches `subject` matches `pattern`. */
function covers(pattern: string, subject: string): boolean {
  const tokens = subject.split('.');
  const parts = pattern.split('.');
  for (const [index, part] of parts.entries()) {
    if (part === '>') return tokens.length > index;
    if (tokens[index] === undefined || tokens[index] === '>') return false;
    if (part !== '*' && part !== tokens[index]) return false;
  }
  return tokens.length === parts.length;
}
