import { SpanledgerError, within } from '@spanledger/protocol';
import type { AuditSink, SealedTranscript, WriteOutcome } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import { answerOf } from '../sinks/answer-of.ts';
import { untraced } from '../untraced.ts';

/** I7: of all transcripts without an outcome. */
const OPEN_BYTES_MAX = 64 * 1024 * 1024;
/** Messages of this many bytes are made in one turn. */
const TURN_BYTES = 1024 * 1024;

/** What has become of transcripts since the process started: each is counted once. */
interface TranscriptCounts {
  /** The sink keeps it. */
  stored: number;
  /** The sink will not take it. */
  refused: number;
  /** The sink gave up on it. */
  failed: number;
  /** There was no room for it, or its event was not kept. */
  shed: number;
  /** Of a span: redaction refused it, or it is too large, or cannot be read. */
  unsealed: number;
}

/** How transcripts are doing. */
export interface TranscriptHealth extends Readonly<TranscriptCounts> {
  /** Bytes of those without an outcome, in memory. */
  readonly bytes: number;
}

interface Waiting {
  readonly transcript: SealedTranscript;
  readonly settle: () => void;
}

/** Gives transcripts to the sink. They are in no journal: what has no outcome when the process dies is gone, and its event says its digest. */
export class TranscriptWriter {
  readonly #counts: TranscriptCounts = { stored: 0, refused: 0, failed: 0, shed: 0, unsealed: 0 };
  readonly #sink: AuditSink;
  readonly #open = new Set<Promise<void>>();
  readonly #waiting: Waiting[] = [];
  readonly #reported = new Set<string>();
  #openBytes = 0;

  constructor(sink: AuditSink) {
    this.#sink = sink;
  }

  get takesAny(): boolean {
    return this.#sink.writeTranscript !== undefined;
  }

  /** `undefined` for a sink that takes none. */
  get health(): TranscriptHealth | undefined {
    return this.takesAny ? { bytes: this.#openBytes, ...this.#counts } : undefined;
  }

  /** For a sink that takes any. Never rejects. */
  write(transcript: SealedTranscript): Promise<WriteOutcome> {
    if (!this.#takeRoom(transcript)) return Promise.resolve({ status: 'failed', error: noRoom() });
    const written = this.#give(transcript);
    this.#track(written.then(() => {}));
    return written;
  }

  /** The same, later and without an answer. I1, I5: for span hooks. */
  writeSoon(transcript: SealedTranscript): void {
    if (!this.#takeRoom(transcript)) return this.#report('shed', noRoom());
    this.#track(new Promise((settle) => this.#waiting.push({ transcript, settle })));
    if (this.#waiting.length === 1) setImmediate(() => this.#writeWaiting());
  }

  /** Their event was lost: they are not to be written. */
  shed(count: number): void {
    this.#counts.shed += count;
    this.#report('shed', 'its event was not kept');
  }

  /** One could not be sealed. */
  unsealed(cause: unknown): void {
    this.#counts.unsealed += 1;
    // The error of a policy, which is the cause of ours, may quote the content: it is not told.
    this.#report('unsealed', cause instanceof SpanledgerError ? cause.message : 'it could not be read');
  }

  /** Waits until everything written so far has an outcome. @returns false if the deadline came first. */
  async settled(deadlineMs: number): Promise<boolean> {
    return this.#open.size === 0 || within(Promise.all(this.#open), deadlineMs);
  }

  #takeRoom({ size }: SealedTranscript): boolean {
    if (this.#openBytes + size > OPEN_BYTES_MAX) {
      this.#counts.shed += 1;
      return false;
    }
    this.#openBytes += size;
    return true;
  }

  #track(settled: Promise<void>): void {
    this.#open.add(settled);
    void settled.then(() => this.#open.delete(settled));
  }

  #writeWaiting(): void {
    let bytes = 0;
    let taken = 0;
    for (const { transcript, settle } of this.#waiting) {
      if (bytes > TURN_BYTES) break;
      bytes += transcript.size;
      taken += 1;
      void this.#give(transcript).then((outcome) => {
        if (outcome.status !== 'stored') this.#report(outcome.status, outcome.error);
        settle();
      });
    }
    this.#waiting.splice(0, taken);
    if (this.#waiting.length > 0) setImmediate(() => this.#writeWaiting());
  }

  async #give(transcript: SealedTranscript): Promise<WriteOutcome> {
    const ask = (): Promise<WriteOutcome> => this.#sink.writeTranscript!(transcript);
    const outcome = await untraced(() => answerOf(ask));
    this.#openBytes -= transcript.size;
    this.#counts[outcome.status] += 1;
    return outcome;
  }

  #report(outcome: string, cause: unknown): void {
    if (this.#reported.has(outcome)) return;
    this.#reported.add(outcome);
    log.error(`a transcript of a span is not stored (${outcome}; reported once):`, cause);
  }
}

function noRoom(): SpanledgerError {
  const message = 'there is no room for the transcript: others wait for the sink';
  return new SpanledgerError('SPANLEDGER_SINK_BACKPRESSURE', message);
}
