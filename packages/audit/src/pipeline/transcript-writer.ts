import { ROOT_CONTEXT, context } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import { SpanledgerError } from '@spanledger/protocol';
import type { AuditSink, SealedTranscript, WriteOutcome } from '@spanledger/protocol';

/** I7: of all transcripts without an outcome. */
const OPEN_BYTES_MAX = 64 * 1024 * 1024;

/** Gives transcripts to the sink. They are in no journal: what has no outcome when the process dies is gone, and its event says its digest. */
export class TranscriptWriter {
  readonly #sink: AuditSink;
  #openBytes = 0;
  // I8: our own traffic is not traced.
  readonly #untraced = suppressTracing(ROOT_CONTEXT);

  constructor(sink: AuditSink) {
    this.#sink = sink;
  }

  get takesAny(): boolean {
    return this.#sink.writeTranscript !== undefined;
  }

  /** For a sink that takes any. Never rejects. */
  async write(transcript: SealedTranscript): Promise<WriteOutcome> {
    const bytes = transcript.chunks.reduce((sum, chunk) => sum + chunk.bytes.length, 0);
    if (this.#openBytes + bytes > OPEN_BYTES_MAX) {
      const message = 'there is no room for the transcript: others wait for the sink';
      return { status: 'failed', error: new SpanledgerError('SPANLEDGER_SINK_BACKPRESSURE', message) };
    }
    this.#openBytes += bytes;
    try {
      return await context.with(this.#untraced, () => this.#sink.writeTranscript!(transcript));
    } catch (error) {
      return { status: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
    } finally {
      this.#openBytes -= bytes;
    }
  }
}
