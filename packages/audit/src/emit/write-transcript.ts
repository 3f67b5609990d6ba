import { hash, randomBytes } from 'node:crypto';
import { context } from '@opentelemetry/api';
import { workflowOf } from '@spanledger/otel/internal';
import { SpanledgerError, formatTimestamp, sealTranscript, transcriptReference, within } from '@spanledger/protocol';
import type { EventSummary, TranscriptRecord, WriteOutcome } from '@spanledger/protocol';
import type { AuditPipeline, Durability } from '../audit-pipeline.ts';
import { now } from '../pipeline/clock.ts';
import { pipelineOrWarn } from '../pipeline/registry.ts';
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

/** What was said, or a summary of what happened. */
export type WriteTranscriptOptions = TranscriptOptions &
  (
    | { readonly kind: 'input' | 'output'; readonly content: string }
    | { readonly kind: 'event_summary'; readonly content: EventSummary }
  );

const EVENT = 'transcript_recorded';
const DEADLINE_MS = 5_000;
const sha256 = (bytes: Uint8Array): string => hash('sha256', bytes, 'hex');

/**
 * Stores a transcript where the sink takes any, and records its digest in the ledger as `transcript_recorded`
 * (`fields.transcript { kind, seq, digest, chunks }`): the content can be erased later, and the ledger still verifies. The event is sealed
 * in the call, so its order is that of the calls. The content is stored as it is given.
 *
 * @returns the event id, once the event is durable and the transcript stored.
 * @throws SpanledgerError as `audit.write` does; `SPANLEDGER_NO_SINK` also if the sink takes no transcripts, before anything is recorded;
 * `SPANLEDGER_TRANSCRIPT`, likewise. If the event was recorded and the transcript not stored, the ledger has the digest of nothing.
 */
export async function writeTranscript(options: WriteTranscriptOptions): Promise<string> {
  const { taskId, sessionId, requestId, seq = 0n, durable, deadlineMs } = options;
  const durability = checkDurability({ durable, deadlineMs });
  const pipeline = pipelineOrWarn();
  if (!pipeline?.takesTranscripts) throw noSink(pipeline);
  const key = { taskId, sessionId, requestId, seq, ts: formatTimestamp(now()), producer: pipeline.producer };
  const record = { ...key, kind: options.kind, content: options.content } as TranscriptRecord;
  const sealed = sealTranscript(record, { sha256, nonce: randomBytes(16).toString('hex') });
  const fields = { transcript: transcriptReference(record, sealed) };
  const input = applicationInput({
    event: EVENT,
    taskId,
    fields,
    ...(sessionId !== undefined && { sessionId }),
    ...(requestId !== undefined && { clientRequestId: requestId }),
  });
  const recorded = pipeline.emitDurable(workflowOf(context.active()), input, durability);
  try {
    const [id] = await Promise.all([recorded, stored(pipeline.writeTranscript(sealed), deadlineMs)]);
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
