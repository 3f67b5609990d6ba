import type { WorkflowContext } from '@spanledger/otel/internal';
import type { JsonValue } from '@spanledger/protocol';
import type { EventInput } from '../event-input.ts';
import type { LogRecordView } from '../span/log-record-view.ts';
import type { SpanView } from '../span/span-view.ts';
import { contentOfSpan } from './content-of-span.ts';
import type { GenAiContent } from './genai-content.ts';
import type { ContentKind } from './genai-conventions.ts';
import { LoggedContent } from './logged-content.ts';
import type { ResolvedTranscripts } from './transcript-options.ts';
import type { RecordedTranscript, TranscriptSealer } from './transcript-sealer.ts';
import type { TranscriptWriter } from './transcript-writer.ts';

/** The content of one event: what is sealed, and why the rest is not. */
export interface SealedContent {
  readonly recorded: readonly RecordedTranscript[];
  readonly unsealed: readonly unknown[];
}

interface SpanTranscriptsOptions extends ResolvedTranscripts {
  readonly sealer: TranscriptSealer;
  readonly writer: TranscriptWriter;
}

/** Transcripts of GenAI spans: their content is found when they end, sealed with their event, and written once that is kept. */
export class SpanTranscripts {
  readonly #contentMax: number;
  readonly #sealer: TranscriptSealer;
  readonly #writer: TranscriptWriter;
  // I7: weak, so content that nobody asks for goes with its span.
  readonly #logged = new WeakMap<object, LoggedContent>();
  // I7: weak, so a count lives as long as its run.
  readonly #numbers = new WeakMap<object, Record<ContentKind, bigint>>();

  constructor({ contentMax, sealer, writer }: SpanTranscriptsOptions) {
    this.#contentMax = contentMax;
    this.#sealer = sealer;
    this.#writer = writer;
  }

  /** Keeps what a log record has of the content of a live span. @param name of its event */
  log(span: object, name: string, record: LogRecordView): void {
    const logged = this.#logged.get(span) ?? new LoggedContent(this.#contentMax);
    this.#logged.set(span, logged);
    logged.add(name, record);
  }

  /**
   * Input and output of a model by a designated span that has ended: once. What cannot be read is counted. `undefined` where there
   * are none.
   */
  contentOf(span: SpanView): readonly GenAiContent[] | undefined {
    const logged = this.#logged.get(span);
    this.#logged.delete(span);
    const content = contentOfSpan(span, logged, this.#contentMax, (cause) => this.#writer.unsealed(cause));
    return content.length === 0 ? undefined : content;
  }

  /**
   * Seals the content of an event. I1: synchronous. I5: never throws.
   *
   * @param input redacted, so that a transcript has the ids that its event has.
   */
  seal({ run }: WorkflowContext, input: EventInput): SealedContent | undefined {
    if (input.content === undefined) return undefined;
    // What is empty is absent, here as in the event.
    const taskId = input.taskId || run.id;
    const sessionId = input.sessionId || undefined;
    const clientRequestId = input.clientRequestId || undefined;
    const requestId = clientRequestId ?? input.span?.spanId;
    const recorded: RecordedTranscript[] = [];
    const unsealed: unknown[] = [];
    for (const { kind, content } of input.content) {
      try {
        const seq = clientRequestId === undefined ? 0n : this.#next(run, kind);
        recorded.push(this.#sealer.seal({ taskId, sessionId, requestId, seq, kind, content }));
      } catch (error) {
        unsealed.push(error);
      }
    }
    return { recorded, unsealed };
  }

  /** Its event is kept. Of one that is lost the whole content is `shed`, so that each is counted once. */
  write({ recorded, unsealed }: SealedContent): void {
    for (const { sealed } of recorded) this.#writer.writeSoon(sealed);
    for (const cause of unsealed) this.#writer.unsealed(cause);
  }

  /** A client's request may have more than one model call; the request that a span is has one. */
  #next(run: object, kind: ContentKind): bigint {
    const numbers = this.#numbers.get(run) ?? { input: 0n, output: 0n };
    this.#numbers.set(run, numbers);
    const seq = numbers[kind];
    numbers[kind] += 1n;
    return seq;
  }
}

/** I6: what an event says of its transcripts is written after redaction. */
export function withReferences(input: EventInput, { recorded }: SealedContent): EventInput {
  if (recorded.length === 0) return input;
  const transcripts: JsonValue = recorded.map(({ reference }) => reference);
  return { ...input, fields: { ...input.fields, transcripts } };
}
