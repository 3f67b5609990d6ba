import { randomBytes } from 'node:crypto';
import type { HrTime } from '@opentelemetry/api';
import { formatTimestamp, sealTranscript, transcriptReference } from '@spanledger/protocol';
import type { JsonValue, SealedTranscript, TranscriptRecord } from '@spanledger/protocol';
import { now } from '../pipeline/clock.ts';
import type { ResolvedRedaction } from '../redaction/redaction-options.ts';
import { SecretScrubber } from '../redaction/secret-scrubber.ts';
import { redactTranscript } from './redact-transcript.ts';
import type { GivenTranscript } from './redact-transcript.ts';
import { sha256 } from '../sha256.ts';

/** A transcript that is fixed, and not yet stored. */
export interface RecordedTranscript {
  readonly sealed: SealedTranscript;
  /** What an audit event says of it: `{ kind, seq, digest, chunks }`. */
  readonly reference: Record<string, JsonValue>;
}

/** From content to its final bytes and digest: redact, seal. Synchronous. */
export class TranscriptSealer {
  readonly #producer: string;
  readonly #redaction: ResolvedRedaction;
  readonly #scrubber: SecretScrubber | undefined;

  constructor({ producer, redaction }: { readonly producer: string; readonly redaction: ResolvedRedaction }) {
    this.#producer = producer;
    this.#redaction = redaction;
    this.#scrubber = redaction.secrets ? new SecretScrubber(redaction.joinKey) : undefined;
  }

  /** @throws SpanledgerError `SPANLEDGER_PAYLOAD`, `SPANLEDGER_REDACTION_STRUCTURE` or `SPANLEDGER_TRANSCRIPT` */
  seal(given: GivenTranscript, time?: HrTime): RecordedTranscript {
    const { taskId, sessionId, requestId, seq, kind } = given;
    const content = redactTranscript(given, this.#redaction, this.#scrubber);
    const key = {
      taskId,
      sessionId,
      requestId,
      seq,
      kind,
      ts: formatTimestamp(time ?? now()),
      producer: this.#producer,
    };
    const record = { ...key, content } as TranscriptRecord;
    const sealed = sealTranscript(record, { sha256, nonce: randomBytes(16).toString('hex') });
    return { sealed, reference: transcriptReference(record, sealed) };
  }
}
