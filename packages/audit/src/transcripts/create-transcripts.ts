import type { AuditSink } from '@spanledger/protocol';
import type { ResolvedRedaction } from '../redaction/redaction-options.ts';
import { SpanTranscripts } from './span-transcripts.ts';
import type { ResolvedTranscripts } from './transcript-options.ts';
import { TranscriptSealer } from './transcript-sealer.ts';
import { TranscriptWriter } from './transcript-writer.ts';

/** Content beside the ledger: sealed first, written once its event is kept. */
export interface Transcripts {
  readonly sealer: TranscriptSealer;
  readonly writer: TranscriptWriter;
  /** `undefined` where transcripts of spans are off. */
  readonly ofSpans: SpanTranscripts | undefined;
}

interface TranscriptsOptions {
  readonly producer: string;
  readonly sink: AuditSink;
  readonly redaction: ResolvedRedaction;
  readonly transcripts: ResolvedTranscripts | undefined;
}

export function createTranscripts(options: TranscriptsOptions): Transcripts {
  const sealer = new TranscriptSealer(options);
  const writer = new TranscriptWriter(options.sink);
  const { transcripts } = options;
  return { sealer, writer, ofSpans: transcripts && new SpanTranscripts({ ...transcripts, sealer, writer }) };
}
