import { SpanledgerError, checkProducer } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';

const MIB = 1024 * 1024;
const SEGMENT_BYTES = 4 * MIB;
const SEGMENT_BYTES_MIN = 4096;
const SEGMENT_BYTES_MAX = 1024 * MIB;
/** One is written, one is acknowledged. */
const SEGMENTS_MIN = 2;
const MAX_BYTES = 1024 * MIB;
const RETENTION_MS = 600_000;

export interface JournalOptions {
  /** Where journals are: created with mode 0700. On a local disk, and shared by all processes of the producer. */
  readonly directory: string;
  /** The service's name: 1 to 128 bytes. */
  readonly producer: string;
  /** Default 1 GiB; at least two segments. Of this journal and those it has adopted, together. */
  readonly maxBytes?: number;
  /** How long acknowledged events are kept, at least, while there is room: default 600,000 (ten minutes). */
  readonly retentionMs?: number;
  /** One file. Default 4 MiB; 4 KiB to 1 GiB. An event that does not fit into one is refused. */
  readonly segmentBytes?: number;
  /** Told when a file cannot be written, synced, read or removed; it must not throw. Default: an error to `diag`. */
  readonly onProblem?: (error: SpanledgerError) => void;
}

/** Options with defaults and checks applied; never changed. */
export interface ResolvedJournalOptions {
  readonly directory: string;
  readonly producer: string;
  readonly maxBytes: number;
  readonly retentionMs: number;
  readonly segmentBytes: number;
  readonly onProblem: (error: unknown) => void;
}

/** @throws SpanledgerError `SPANLEDGER_OPTION` or `SPANLEDGER_PRODUCER`. */
export function resolveJournalOptions(options: JournalOptions): ResolvedJournalOptions {
  const {
    directory,
    producer,
    maxBytes = MAX_BYTES,
    retentionMs = RETENTION_MS,
    segmentBytes = SEGMENT_BYTES,
  } = options;
  checkProducer(producer);
  checkWhole('segmentBytes', segmentBytes, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX);
  checkWhole('maxBytes', maxBytes, SEGMENTS_MIN * segmentBytes, Number.MAX_SAFE_INTEGER);
  checkWhole('retentionMs', retentionMs, 0, Number.MAX_SAFE_INTEGER);
  const onProblem = options.onProblem ?? ((error) => log.error('the journal has a problem:', error));
  return {
    directory,
    producer,
    maxBytes,
    retentionMs,
    segmentBytes,
    onProblem: (error) => onProblem(toSpanledgerError(error)),
  };
}

function toSpanledgerError(error: unknown): SpanledgerError {
  if (error instanceof SpanledgerError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new SpanledgerError('SPANLEDGER_JOURNAL', `the journal met a problem: ${reason}`, { cause: error });
}

function checkWhole(name: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw new SpanledgerError('SPANLEDGER_OPTION', `${name} must be a whole number from ${min} to ${max}, got ${value}`);
}
