import { SpanledgerError } from '@spanledger/protocol';
import type { EventSummary, JsonValue, TranscriptRecord } from '@spanledger/protocol';
import { copyPayload } from '../redaction/copy-payload.ts';
import { redactStructured } from '../redaction/redact-structured.ts';
import type { ResolvedRedaction } from '../redaction/redaction-options.ts';
import type { SecretScrubber } from '../redaction/secret-scrubber.ts';

/** A message as an application gives it: any values. They are copied (see `copy-payload.ts`), and may be changed afterwards. */
export type GivenMessage = Readonly<Record<string, unknown>>;

/** A transcript as it is told, before anything is taken out of it. */
export interface GivenTranscript {
  readonly taskId: string;
  readonly sessionId?: string | undefined;
  readonly requestId?: string | undefined;
  readonly seq: bigint;
  readonly kind: TranscriptRecord['kind'];
  readonly content: string | readonly GivenMessage[] | EventSummary;
}

/**
 * What may be kept of a transcript. A policy is given `{ kind, task_id, session_id, request_id, seq, content }` and may change the
 * content, but not whose it is, nor roles, ids, kinds and order in it.
 *
 * @throws SpanledgerError `SPANLEDGER_PAYLOAD` or `SPANLEDGER_REDACTION_STRUCTURE`
 */
export function redactTranscript(
  given: GivenTranscript,
  redaction: ResolvedRedaction,
  scrubber: SecretScrubber | undefined,
): TranscriptRecord['content'] {
  const { kind, taskId, sessionId, requestId, seq } = given;
  const key = { kind, task_id: taskId, session_id: sessionId, request_id: requestId, seq: String(seq) };
  const content = kind === 'event_summary' ? namedCounts(copyPayload(given.content)) : given.content;
  const payload = redactStructured({ ...key, content }, redaction.policy, scrubber) as Record<string, JsonValue>;
  const kept = payload['content'];
  if (kept === undefined) throw withoutContent();
  // What is neither is found when it is sealed.
  return (kind === 'event_summary' ? summaryOf(kept) : kept) as TranscriptRecord['content'];
}

/** A policy may empty a text. Where it takes the content away, nobody can tell that from one that was written for events alone. */
function withoutContent(): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_REDACTION_STRUCTURE', 'nothing was written: the payload has no content');
}

/** The names of events are none of a policy's business, and not to be taken for the names of secrets (`rotate_secret`). */
function namedCounts(content: JsonValue): unknown {
  const { counts, ...rest } = content as unknown as Partial<EventSummary>;
  if (typeof counts !== 'object' || counts === null) return content;
  return { ...rest, counts: Object.entries(counts).map(([name, count]) => ({ name, count })) };
}

function summaryOf(content: JsonValue): unknown {
  const { counts, ...rest } = content as unknown as { counts?: { name: string; count: number }[] };
  if (!Array.isArray(counts)) return content;
  return { ...rest, counts: Object.fromEntries(counts.map(({ name, count }) => [name, count])) };
}
