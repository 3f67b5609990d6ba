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
 * Cuts a transcript's JSON text such that each part fits into a message of at most `maxBytes`, never inside of a character. It runs
 * in span hooks: one look at each character.
 */
export function cutTranscript(text: string, maxBytes: number): string[] {
  const partMaxBytes = maxBytes - FRAME_BYTES;
  const parts: string[] = [];
  let start = 0;
  let bytes = 0;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    const cost = unit < 0x80 ? (unit === QUOTE || unit === BACKSLASH ? 2 : 1) : wideBytes(unit);
    if (bytes + cost > partMaxBytes) {
      parts.push(text.slice(start, at));
      start = at;
      bytes = 0;
    }
    bytes += cost;
    if (cost === 4) at += 1;
  }
  parts.push(text.slice(start));
  return parts;
}

/** In UTF-8, of the character that begins here: JSON text has no controls and no lone surrogates. */
function wideBytes(unit: number): number {
  if (unit < 0x800) return 2;
  return unit >= 0xd800 && unit < 0xdc00 ? 4 : 3;
}

/** The parts as messages: each is JSON on one line, and names its whole, so that a stream or a file of them needs nothing else to be read. */
export function chunkTranscript(parts: readonly string[], digest: string): string[] {
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
