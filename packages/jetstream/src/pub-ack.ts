/** What the server said about one publish. */
export type PubAck =
  | { readonly status: 'stored'; readonly streamSeq: number; readonly duplicate?: true }
  /** Never, for this message: it is too large. */
  | { readonly status: 'refused'; readonly reason: string }
  /** Not now, or not by this stream: publish it again. `full`: the stream is there, has all that it had, and no room. */
  | { readonly status: 'retry'; readonly reason: string; readonly full?: true };

/**
 * Error codes that speak of the message and not of the stream: message too large, headers too large. Our headers are
 * fixed, so no other error can: all others are tried again, for ever (full, no leader, no resources, sealed, …).
 */
const REFUSALS: ReadonlySet<unknown> = new Set([10054, 10097]);

/** Maximum messages or bytes of the stream exceeded. */
const STREAM_FULL = 10077;

const NINE = 0x39;
const ZERO = 0x30;
const CLOSING_BRACE = 0x7d;
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Reads acknowledgements for one stream. */
export class PubAckReader {
  readonly #stream: string;
  readonly #plainPrefix: Uint8Array;

  constructor(stream: string) {
    this.#stream = stream;
    this.#plainPrefix = encoder.encode(`{"stream":${JSON.stringify(stream)},"seq":`);
  }

  /** @returns never throws: bytes that are no acknowledgement are a `retry`. */
  read(data: Uint8Array): PubAck {
    const streamSeq = this.#readPlain(data);
    return streamSeq > 0 ? { status: 'stored', streamSeq } : this.#readAny(data);
  }

  /** The one form that nearly every acknowledgement has, `{"stream":"…","seq":n}`; 0 if it is another. */
  #readPlain(data: Uint8Array): number {
    const prefix = this.#plainPrefix;
    const last = data.length - 1;
    if (last <= prefix.length || data[last] !== CLOSING_BRACE) return 0;
    for (let i = prefix.length - 1; i >= 0; i -= 1) if (data[i] !== prefix[i]) return 0;
    let value = 0;
    for (let i = prefix.length; i < last; i += 1) {
      const digit = data[i]!;
      if (digit < ZERO || digit > NINE) return 0;
      value = value * 10 + (digit - ZERO);
    }
    return value;
  }

  #readAny(data: Uint8Array): PubAck {
    if (data.length === 0) return { status: 'retry', reason: 'no stream listens on the subject' };
    const ack = parseObject(data);
    if (ack === undefined) return { status: 'retry', reason: 'an answer that is no acknowledgement' };
    if (ack.error) {
      const reason = `${String(ack.error.description)} (${String(ack.error.err_code)})`;
      if (REFUSALS.has(ack.error.err_code)) return { status: 'refused', reason };
      return { status: 'retry', reason, ...(ack.error.err_code === STREAM_FULL && { full: true }) };
    }
    if (ack.stream === this.#stream && Number.isSafeInteger(ack.seq) && (ack.seq as number) > 0) {
      const stored = { status: 'stored', streamSeq: ack.seq as number } as const;
      return ack.duplicate === true ? { ...stored, duplicate: true } : stored;
    }
    return { status: 'retry', reason: `stream ${String(ack.stream)} answered instead of ${this.#stream}` };
  }
}

interface RawAck {
  readonly stream?: unknown;
  readonly seq?: unknown;
  readonly duplicate?: unknown;
  readonly error?: { readonly err_code?: unknown; readonly description?: unknown };
}

function parseObject(data: Uint8Array): RawAck | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(data));
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
