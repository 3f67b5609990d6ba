/** One message of a transcript, as it is written. */
interface Chunk {
  readonly schema_version: '1.0';
  /** The digest of the whole. */
  readonly transcript: string;
  /** From 1. */
  readonly chunk: number;
  readonly chunks: number;
  readonly part: string;
}

/** What JSON and UTF-8 make of the rest of a chunk, with numbers of ten digits. */
const FRAME_BYTES = 192;
const BACKSLASH = 0x5c;
const QUOTE = 0x22;

/**
 * Cuts a transcript's JSON text into messages of at most `maxBytes`, never inside of a character. Each is JSON on one line, and names
 * its whole, so that a stream or a file of them needs nothing else to be read.
 */
export function chunkTranscript(text: string, digest: string, maxBytes: number): string[] {
  const parts = cut(text, maxBytes - FRAME_BYTES);
  return parts.map((part, index) => {
    const chunk: Chunk = {
      schema_version: '1.0',
      transcript: digest,
      chunk: index + 1,
      chunks: parts.length,
      part,
    };
    return JSON.stringify(chunk);
  });
}

function cut(text: string, partMaxBytes: number): string[] {
  const parts: string[] = [];
  let start = 0;
  let bytes = 0;
  for (let at = 0; at < text.length;) {
    const codePoint = text.codePointAt(at)!;
    const cost = jsonBytes(codePoint);
    if (bytes + cost > partMaxBytes) {
      parts.push(text.slice(start, at));
      start = at;
      bytes = 0;
    }
    bytes += cost;
    at += codePoint > 0xffff ? 2 : 1;
  }
  parts.push(text.slice(start));
  return parts;
}

/** Of one character of JSON text, written inside of a JSON string: there are no controls and no lone surrogates in it. */
function jsonBytes(codePoint: number): number {
  if (codePoint === QUOTE || codePoint === BACKSLASH) return 2;
  if (codePoint < 0x80) return 1;
  if (codePoint < 0x800) return 2;
  return codePoint < 0x10000 ? 3 : 4;
}

/** Reads one message. @returns `undefined` if it is none. */
export function parseChunk(bytes: Uint8Array): Chunk | undefined {
  try {
    const chunk = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as Partial<Chunk> | null;
    const { transcript, chunk: number, chunks, part } = chunk ?? {};
    if (typeof transcript !== 'string' || typeof part !== 'string') return undefined;
    if (!isCount(number) || !isCount(chunks) || number > chunks) return undefined;
    return { schema_version: '1.0', transcript, chunk: number, chunks, part };
  } catch {
    return undefined;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}
