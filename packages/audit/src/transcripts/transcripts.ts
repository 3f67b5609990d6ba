import type { WorkflowContext } from '@spanledger/otel/internal';
import type { AuditSink, JsonValue, SealedTranscript, WriteOutcome } from '@spanledger/protocol';
import type { EventInput } from '../event-input.ts';
import type { ResolvedRedaction } from '../redaction/redaction-options.ts';
import type { SpanView } from '../span/span-view.ts';
import type { GivenTranscript } from './redact-transcript.ts';
import { saidBySpan } from './said-by-span.ts';
import type { Said } from './said.ts';
import type { ResolvedTranscripts } from './transcript-options.ts';
import { TranscriptSealer } from './transcript-sealer.ts';
import type { RecordedTranscript } from './transcript-sealer.ts';
import { TranscriptWriter } from './transcript-writer.ts';
import type { TranscriptCounts } from './transcript-writer.ts';

/** How transcripts are doing. */
export interface TranscriptHealth extends Readonly<TranscriptCounts> {
  /** Bytes of those without an outcome, in memory. */
  readonly bytes: number;
}

interface TranscriptsOptions {
  readonly producer: string;
  readonly sink: AuditSink;
  readonly redaction: ResolvedRedaction;
  readonly transcripts: ResolvedTranscripts | undefined;
}

/** What was said, beside the ledger: of GenAI spans where that is turned on, and by hand where the sink takes any. */
export class Transcripts {
  readonly #options: TranscriptsOptions;
  readonly #sealer: TranscriptSealer;
  readonly #writer: TranscriptWriter;
  // I7: weak, so a count lives as long as its run.
  readonly #numbers = new WeakMap<object, Record<Said['kind'], bigint>>();

  constructor(options: TranscriptsOptions) {
    this.#options = options;
    this.#sealer = new TranscriptSealer(options);
    this.#writer = new TranscriptWriter(options.sink);
  }

  /** The sink takes any. */
  get takesAny(): boolean {
    return this.#writer.takesAny;
  }

  get health(): TranscriptHealth | undefined {
    return this.takesAny ? { bytes: this.#writer.openBytes, ...this.#writer.counts } : undefined;
  }

  /** By hand. @throws SpanledgerError `SPANLEDGER_PAYLOAD`, `SPANLEDGER_REDACTION_STRUCTURE` or `SPANLEDGER_TRANSCRIPT` */
  seal(given: GivenTranscript): RecordedTranscript {
    return this.#sealer.seal(given);
  }

  /** By hand. Never rejects. */
  write(transcript: SealedTranscript): Promise<WriteOutcome> {
    return this.#writer.write(transcript);
  }

  /** What a designated span says of a model's input and output. `undefined` where it says nothing, or transcripts of spans are off. */
  saidBy(span: SpanView): readonly Said[] | undefined {
    const { transcripts } = this.#options;
    if (transcripts === undefined) return undefined;
    const said = saidBySpan(span, transcripts.contentMax, (cause) => this.#writer.unsealed(cause));
    return said.length === 0 ? undefined : said;
  }

  /**
   * What an event says, sealed: what cannot be is counted, and its event says nothing of it. I1: synchronous. I5: never throws.
   *
   * @param input redacted, so that a transcript has the ids that its event has.
   */
  sealSaid({ run }: WorkflowContext, input: EventInput, said: readonly Said[]): readonly RecordedTranscript[] {
    // What is empty is absent, here as in the event.
    const taskId = input.taskId || run.id;
    const sessionId = input.sessionId || undefined;
    const clientRequestId = input.clientRequestId || undefined;
    const requestId = clientRequestId ?? input.span?.spanId;
    const recorded: RecordedTranscript[] = [];
    for (const { kind, content } of said) {
      try {
        const seq = clientRequestId === undefined ? 0n : this.#next(run, kind);
        recorded.push(this.#sealer.seal({ taskId, sessionId, requestId, seq, kind, content }));
      } catch (error) {
        this.#writer.unsealed(error);
      }
    }
    return recorded;
  }

  /** Its event is kept. */
  writeSoon(recorded: readonly RecordedTranscript[]): void {
    for (const { sealed } of recorded) this.#writer.writeSoon(sealed);
  }

  /** Of a span, and its event is lost. */
  shed(count: number): void {
    this.#writer.shed(count);
  }

  settled(deadlineMs: number): Promise<boolean> {
    return this.#writer.settled(deadlineMs);
  }

  /** A client's request may have more than one model call; the request that a span is has one. */
  #next(run: object, kind: Said['kind']): bigint {
    const numbers = this.#numbers.get(run) ?? { input: 0n, output: 0n };
    this.#numbers.set(run, numbers);
    const seq = numbers[kind];
    numbers[kind] += 1n;
    return seq;
  }
}

/** I6: what an event says of its transcripts is written after redaction. */
export function withReferences(input: EventInput, recorded: readonly RecordedTranscript[]): EventInput {
  if (recorded.length === 0) return input;
  const transcripts: JsonValue = recorded.map(({ reference }) => reference);
  return { ...input, fields: { ...input.fields, transcripts } };
}
