import { SpanledgerError } from '@spanledger/protocol';
import type { AuditSink } from '@spanledger/protocol';

/** What is kept of the content of GenAI spans. */
export interface TranscriptOptions {
  /**
   * The largest input or output that is taken from a span, in UTF-16 units of its texts: it is read, redacted and hashed inside the
   * span hook, at about 20 ms for a million (`transcript` in `npm run bench`). What is larger is not stored, and counted. That much of
   * each waits in memory for the end of a span whose content is in log records. Default 262,144; from 1,024 to 16 Mi.
   */
  readonly contentMax?: number;
}

export interface ResolvedTranscripts {
  readonly contentMax: number;
}

const CONTENT_MAX = 262_144;
const CONTENT_MAX_MIN = 1_024;
const CONTENT_MAX_MAX = 16 * 1024 * 1024;

/** @throws SpanledgerError `SPANLEDGER_OPTION` */
export function resolveTranscripts(
  option: boolean | TranscriptOptions | undefined,
  sink: AuditSink,
): ResolvedTranscripts | undefined {
  if (option === undefined || option === false) return undefined;
  if (option !== true && (typeof option !== 'object' || option === null)) {
    throw new SpanledgerError('SPANLEDGER_OPTION', 'transcripts must be true, false or an object');
  }
  if (sink.writeTranscript === undefined) {
    const message = `transcripts are turned on, but the sink ${sink.name} takes none, or was not told to`;
    throw new SpanledgerError('SPANLEDGER_OPTION', message);
  }
  const { contentMax = CONTENT_MAX } = option === true ? {} : option;
  if (!Number.isSafeInteger(contentMax) || contentMax < CONTENT_MAX_MIN || contentMax > CONTENT_MAX_MAX) {
    const range = `from ${CONTENT_MAX_MIN} to ${CONTENT_MAX_MAX}`;
    throw new SpanledgerError('SPANLEDGER_OPTION', `transcripts.contentMax must be a whole number ${range}`);
  }
  return { contentMax };
}
