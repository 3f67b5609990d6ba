import type { AuditSink, SealedTranscript, WriteOptions, WriteOutcome } from '@spanledger/protocol';

/** The sink of events, and one for the chunks of transcripts, as one. */
export function withTranscripts(events: AuditSink, chunks: AuditSink): AuditSink {
  return {
    name: events.name,
    writeEvent: (event, options) => events.writeEvent(event, options),
    writeTranscript: (transcript, options) => writeChunks(chunks, transcript, options),
    status: () => events.status!(),
    onResume: (listener) => events.onResume!(listener),
    async close(deadlineMs) {
      await Promise.all([events.close(deadlineMs), chunks.close(deadlineMs)]);
    },
  };
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
