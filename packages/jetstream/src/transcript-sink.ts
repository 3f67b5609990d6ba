import { SpanledgerError } from '@spanledger/protocol';
import type { AuditSink, SealedTranscript, WriteOptions, WriteOutcome } from '@spanledger/protocol';

/** The sink of events, and one for the chunks of transcripts, as one. */
export function withTranscripts(events: AuditSink, chunks: AuditSink): AuditSink {
  return {
    name: events.name,
    writeEvent: (event, options) => events.writeEvent(event, options),
    writeTranscript: (transcript, options) => writeChunks(chunks, transcript, options),
    status: () => events.status!(),
    onResume: (listener) => events.onResume!(listener),
    close: (deadlineMs) => closeBoth(events.close(deadlineMs), chunks.close(deadlineMs)),
  };
}

/** @throws SpanledgerError `SPANLEDGER_SINK` with an `AggregateError` as cause, once both have said whether they are closed */
async function closeBoth(...closing: readonly [events: Promise<void>, chunks: Promise<void>]): Promise<void> {
  const results = await Promise.allSettled(closing);
  const failures = results.flatMap((result, index) =>
    result.status === 'rejected'
      ? [{ of: index === 0 ? 'events' : 'transcripts', error: result.reason as unknown }]
      : [],
  );
  if (failures.length === 0) return;
  const reasons = failures.map(({ of, error }) => `${of}: ${error instanceof Error ? error.message : String(error)}`);
  const message = `not closed: ${reasons.join('; ')}`;
  const cause = new AggregateError(
    failures.map(({ error }) => error),
    message,
  );
  throw new SpanledgerError('SPANLEDGER_SINK', message, { cause });
}

/** The first answer that is not `stored` is the answer. */
async function writeChunks(
  sink: AuditSink,
  { chunks }: SealedTranscript,
  options: WriteOptions | undefined,
): Promise<WriteOutcome> {
  const outcomes = await Promise.all(chunks.map((chunk) => sink.writeEvent(chunk, options)));
  return outcomes.find(({ status }) => status !== 'stored') ?? { status: 'stored' };
}
