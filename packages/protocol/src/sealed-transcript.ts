import type { SealedEvent, Sha256 } from './seal.ts';
import { chunkTranscript } from './transcript-chunks.ts';

/** A transcript as it is stored. */
export interface SealedTranscript {
  /**
   * SHA-256 hex of the whole transcript, its nonce included: what an audit event carries. Once the content is erased, it
   * still verifies the ledger and says nothing of the content, however short that was.
   */
  readonly digest: string;
  readonly subject: string;
  /** Of the whole, in bytes. */
  readonly size: number;
  readonly chunkCount: number;
  /**
   * One message each, in order, in the shape of sealed events so that sinks treat them alike: the digest is their run, and their number
   * is counted from 1. They are made when they are asked for first, so that a span hook need not.
   */
  readonly chunks: readonly SealedEvent[];
}

const encoder = new TextEncoder();

/** Cut already, and made into messages later. */
export class ChunkedTranscript implements SealedTranscript {
  readonly digest: string;
  readonly subject: string;
  readonly size: number;
  readonly chunkCount: number;
  #parts: readonly string[];
  readonly #sha256: Sha256;
  #chunks: readonly SealedEvent[] | undefined;

  constructor(subject: string, size: number, digest: string, parts: readonly string[], sha256: Sha256) {
    this.digest = digest;
    this.subject = subject;
    this.size = size;
    this.chunkCount = parts.length;
    this.#parts = parts;
    this.#sha256 = sha256;
  }

  get chunks(): readonly SealedEvent[] {
    if (this.#chunks !== undefined) return this.#chunks;
    const { digest, subject } = this;
    this.#chunks = chunkTranscript(this.#parts, digest).map((chunk, index) => {
      const bytes = encoder.encode(chunk);
      return { runId: digest, seq: index + 1, bytes, hash: this.#sha256(bytes), subject };
    });
    this.#parts = [];
    return this.#chunks;
  }
}
