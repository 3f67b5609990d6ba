import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { within } from '@spanledger/protocol';
import type { AuditSink, SealedEvent, WriteOutcome } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import { closedOutcome } from './closed-outcome.ts';

const NEWLINE = Buffer.from('\n');
/** One write to the file, in bytes, or one event if that is more. */
const BATCH_MAX_BYTES = 1024 * 1024;

interface Pending {
  readonly event: SealedEvent;
  readonly answer: (outcome: WriteOutcome) => void;
}

/**
 * Appends events to a file, one JSON object to a line (NDJSON), in the order in which they come. The file is created with mode
 * 0600 when the first event is written; its folder must exist.
 *
 * `stored` means that the operating system has it; `close` waits until the disk has it (`fsync`). After a failed write
 * the file may end in a part of a line, and so it may after a crash: the next event starts a line of its own, nothing
 * is cut off, and the part is left for the reader to report.
 */
export function fileSink(path: string): AuditSink {
  return new FileSink(path);
}

class FileSink implements AuditSink {
  readonly name = 'file';
  readonly #path: string;
  #file: FileHandle | undefined;
  /** The file ends in the middle of a line. */
  #torn = false;
  #waiting: Pending[] = [];
  #inWrite: readonly Pending[] = [];
  #writing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  writeEvent(event: SealedEvent): Promise<WriteOutcome> {
    if (this.#closing !== undefined) return Promise.resolve(closedOutcome(this.name));
    return new Promise((answer) => {
      this.#waiting.push({ event, answer });
      this.#writing ??= this.#writeWaiting();
    });
  }

  close(deadlineMs?: number): Promise<void> {
    return (this.#closing ??= this.#close(deadlineMs));
  }

  /** Single flight, so that the order of the file is the order of the calls. Never rejects. */
  async #writeWaiting(): Promise<void> {
    // Everything that is written in this turn goes into one write.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      this.#inWrite = this.#waiting.splice(0, batchLength(this.#waiting));
      await this.#writeBatch(this.#inWrite);
    }
    this.#inWrite = [];
    this.#writing = undefined;
  }

  async #writeBatch(batch: readonly Pending[]): Promise<void> {
    const start = this.#torn ? NEWLINE.length : 0;
    let written = 0;
    let failure: Error | undefined;
    try {
      this.#file ??= await this.#open();
      const prefix = this.#torn ? [NEWLINE] : [];
      const lines = Buffer.concat([...prefix, ...batch.flatMap(({ event }) => [event.bytes, NEWLINE])]);
      while (written < lines.length) written += (await this.#file.write(lines, written)).bytesWritten;
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
    }
    this.#answer(batch, start, written, failure);
  }

  /** Each event has its own outcome: a disk that fills up in the middle of a batch has stored the first part of it. */
  #answer(batch: readonly Pending[], start: number, written: number, failure: Error | undefined): void {
    let end = start;
    let lineEnd = start;
    for (const { event, answer } of batch) {
      end += event.bytes.length + NEWLINE.length;
      if (end <= written) lineEnd = end;
      answer(end <= written || failure === undefined ? { status: 'stored' } : { status: 'failed', error: failure });
    }
    if (written > 0) this.#torn = written > lineEnd;
  }

  async #open(): Promise<FileHandle> {
    const file = await open(this.#path, 'a+', 0o600);
    try {
      const { size } = await file.stat();
      if (size > 0) {
        const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
        this.#torn = buffer[0] !== NEWLINE[0];
      }
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async #close(deadlineMs: number | undefined): Promise<void> {
    const finished = this.#finish();
    if (deadlineMs === undefined) return finished;
    if (await within(finished, deadlineMs)) return;
    // The write that hangs may still succeed; it has been answered by then.
    for (const { answer } of [...this.#inWrite, ...this.#waiting.splice(0)]) answer(closedOutcome(this.name));
  }

  async #finish(): Promise<void> {
    await this.#writing;
    await this.#file?.sync().catch((error: unknown) => log.error(`${this.#path} could not be synced:`, error));
    await this.#file?.close().catch((error: unknown) => log.error(`${this.#path} could not be closed:`, error));
  }
}

/** How many go into one write. At least one. */
function batchLength(waiting: readonly Pending[]): number {
  let bytes = 0;
  const end = waiting.findIndex(({ event }) => (bytes += event.bytes.length + NEWLINE.length) > BATCH_MAX_BYTES);
  return end === -1 ? waiting.length : Math.max(end, 1);
}
