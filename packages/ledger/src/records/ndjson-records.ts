import type { LedgerRecord } from '@spanledger/protocol';

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
/** In UTF-8. */
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf];
/** Far above any event (64 KiB by default), far below what a hostile file without a newline could make us hold. */
const LINE_MAX_BYTES = 16 * 1024 * 1024;

/**
 * Reads records from newline-separated JSON, as the file sink writes it: `createReadStream(path)` in Node, `response.body`
 * in a browser. `streamSeq` is the line number, from 1. Empty lines are passed over. A line may also end with CRLF, and the first one
 * begin with a byte order mark, as after a transfer in text mode: no event has either, so they are not a part of one.
 *
 * I7: a line is cut at 16 MiB and the rest of it passed over, so that the verifier finds it unparsable.
 */
export async function* ndjsonRecords(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<LedgerRecord, void, void> {
  const line = new LineBuffer();
  let streamSeq = 1;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      line.append(chunk.subarray(start, end));
      const bytes = withoutTransferMarks(line.take(), streamSeq);
      if (bytes.length > 0) yield { bytes, streamSeq };
      streamSeq += 1;
      start = end + 1;
    }
    line.append(chunk.subarray(start));
  }
  const bytes = withoutTransferMarks(line.take(), streamSeq);
  if (bytes.length > 0) yield { bytes, streamSeq };
}

function withoutTransferMarks(line: Uint8Array, number: number): Uint8Array {
  const hasMark = number === 1 && BYTE_ORDER_MARK.every((byte, index) => line[index] === byte);
  const hasReturn = line.at(-1) === CARRIAGE_RETURN;
  return line.subarray(hasMark ? BYTE_ORDER_MARK.length : 0, hasReturn ? -1 : undefined);
}

/** The parts of one line, in order. */
class LineBuffer {
  #parts: Uint8Array[] = [];
  #length = 0;

  append(part: Uint8Array): void {
    const room = LINE_MAX_BYTES - this.#length;
    if (part.length === 0 || room === 0) return;
    // A copy: some streams use one buffer for all their chunks.
    this.#parts.push(part.slice(0, room));
    this.#length += Math.min(part.length, room);
  }

  /** The whole line; the next one begins. */
  take(): Uint8Array {
    const bytes = new Uint8Array(this.#length);
    let offset = 0;
    for (const part of this.#parts) {
      bytes.set(part, offset);
      offset += part.length;
    }
    this.#parts = [];
    this.#length = 0;
    return bytes;
  }
}
