import { context } from '@opentelemetry/api';
import { workflowOf } from '@spanledger/otel/internal';
import { SpanledgerError, within } from '@spanledger/protocol';
import type { EventSummary, WriteOutcome } from '@spanledger/protocol';
import type { AuditPipeline, Durability } from '../audit-pipeline.ts';
import { pipelineOrWarn } from '../pipeline/registry.ts';
import type { GivenMessage } from '../transcripts/redact-transcript.ts';
import { checkDurability } from './durable-start.ts';
import { applicationInput } from './emit-event.ts';
import { reasonOf } from './write-event.ts';

interface TranscriptOptions extends Durability {
  readonly taskId: string;
  readonly sessionId?: string;
  readonly requestId?: string;
  /** Of its kind in its request. Default `0n`. */
  readonly seq?: bigint;
}

/** Content, or a summary of what happened. */
export type WriteTranscriptOptions = TranscriptOptions &
  (
    | { readonly kind: 'input' | 'output'; readonly content: string | readonly GivenMessage[] }
    | { readonly kind: 'event_summary'; readonly content: EventSummary }
  );

const EVENT = 'transcript_recorded';
const DEADLINE_MS = 5_000;

/**
 * Stores a transcript where the sink takes any, and records its digest in the ledger as `transcript_recorded`
 * (`fields.transcript { kind, seq, digest, chunks }`): the content can be erased later, and the ledger still verifies. The event is sealed
 * in the call, so its order is that of the calls.
 *
 * The content is a text, or messages of any values: they are copied, redacted, and stored as JSON. A policy that changes whose they are,
 * their ids, roles, kinds or order, or throws, is `SPANLEDGER_REDACTION_STRUCTURE`; so is a secret in place of an id. Nothing is written then.
 *
 * @returns the event id, once the event is durable and the transcript stored.
 * @throws SpanledgerError as `audit.write` does; `SPANLEDGER_NO_SINK` also if the sink takes no transcripts, before anything is recorded;
 * `SPANLEDGER_TRANSCRIPT`, `SPANLEDGER_PAYLOAD` (cyclic, too deep, unreadable) and `SPANLEDGER_REDACTION_STRUCTURE`, likewise. Of an event that was
 * not kept (`SPANLEDGER_SINK_BACKPRESSURE`) no transcript is stored. If the event was recorded and the transcript not stored, the ledger has the digest of nothing.
 */
export async function writeTranscript(options: WriteTranscriptOptions): Promise<string> {
  const { taskId, sessionId, requestId, seq = 0n, kind, content, durable, deadlineMs } = options;
  const durability = checkDurability({ durable, deadlineMs });
  const pipeline = pipelineOrWarn();
  if (!pipeline?.transcripts.writer.takesAny) throw noSink(pipeline);
  const { sealed, reference } = pipeline.transcripts.sealer.seal({ taskId, sessionId, requestId, seq, kind, content });
  const input = applicationInput({
    event: EVENT,
    taskId,
    fields: { transcript: reference },
    ...(sessionId !== undefined && { sessionId }),
    ...(requestId !== undefined && { clientRequestId: requestId }),
  });
  // Audit first: what no event says is not stored.
  let written: Promise<void> | undefined;
  const recorded = pipeline.emitDurable(workflowOf(context.active()), input, durability, () => {
    written = stored(pipeline.transcripts.writer.write(sealed), deadlineMs);
  });
  try {
    const [id] = await Promise.all([recorded, written]);
    return id;
  } catch (error) {
    throw reasonOf(error);
  }
}

async function stored(written: Promise<WriteOutcome>, deadlineMs: number = DEADLINE_MS): Promise<void> {
  if (!(await within(written, deadlineMs))) throw notStored(`the deadline of ${deadlineMs} ms has passed`);
  const outcome = await written;
  if (outcome.status !== 'stored') throw notStored('it was refused', outcome.error);
}

function notStored(reason: string, cause?: Error): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_NOT_DURABLE', `the transcript is not stored: ${reason}`, { cause });
}

function noSink(pipeline: AuditPipeline | undefined): SpanledgerError {
  const why =
    pipeline === undefined ? 'Spanledger is not started' : 'its sink takes no transcripts, or was not told to';
  return new SpanledgerError('SPANLEDGER_NO_SINK', `the transcript cannot be written: ${why}`);
}
