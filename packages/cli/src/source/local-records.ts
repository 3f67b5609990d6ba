import { createReadStream, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { readJournal } from '@spanledger/audit';
import { ndjsonRecords } from '@spanledger/ledger';
import type { LedgerRecord } from '@spanledger/protocol';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import { startProgress } from '../terminal/progress.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** `<directory>/<producer>/<id>` is the deepest place where a journal is. */
const JOURNAL_DEPTH_MAX = 2;
const SEGMENT = /^\d{10}\.journal$/;

/** Where a record of several files was. */
export interface LocalPlace {
  readonly file: string;
  /** Line of an NDJSON file, position in a journal; from 1. */
  readonly line: number;
}

/**
 * Records of NDJSON files, of standard input (`-`) and of journals, one after the other as if they were one: `streamSeq` goes
 * on from file to file, and `placeOf` knows where that is.
 */
export class LocalRecords {
  /** Some journal lacks segments that were acknowledged and removed: runs in it may have begun elsewhere. */
  hasRemovedSegments = false;
  readonly #terminal: Terminal;
  readonly #signal: AbortSignal;
  readonly #paths: readonly string[];
  /** In order of their first record. */
  readonly #parts: { readonly file: string; readonly before: number }[] = [];
  #last = 0;

  constructor(terminal: Terminal, paths: readonly string[], signal: AbortSignal) {
    this.#terminal = terminal;
    this.#paths = paths;
    this.#signal = signal;
  }

  /** @throws Failure `usage` for what cannot be read. */
  async *records(): AsyncGenerator<LedgerRecord, void, void> {
    for (const given of this.#paths) {
      if (given === '-') yield* this.#lines('standard input', this.#terminal.io.stdin, 0);
      else if (statSync(given).isDirectory()) yield* this.#journals(given);
      else yield* this.#lines(given, createReadStream(given, { signal: this.#signal }), statSync(given).size);
      if (this.#signal.aborted) return;
    }
  }

  /** Journals are among them: what was acknowledged before is not in a journal. */
  get hasFolders(): boolean {
    return this.#paths.some((given) => given !== '-' && statSync(given).isDirectory());
  }

  placeOf(streamSeq: number): LocalPlace | undefined {
    const part = this.#parts.findLast(({ before }) => before < streamSeq);
    return part && { file: part.file, line: streamSeq - part.before };
  }

  async *#lines(file: string, source: NodeJS.ReadableStream, size: number): AsyncGenerator<LedgerRecord, void, void> {
    const progress = startProgress(this.#terminal, file, size);
    let done = 0;
    const stop = (): void => void (source as Partial<NodeJS.ReadStream>).destroy?.();
    this.#signal.addEventListener('abort', stop);
    const counted = async function* (): AsyncGenerator<Uint8Array, void, void> {
      for await (const chunk of source) {
        const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
        done += bytes.length;
        progress.update(done);
        yield bytes;
      }
    };
    try {
      yield* this.#continued(file, ndjsonRecords(counted()));
    } catch (error) {
      if (!this.#signal.aborted) throw error;
    } finally {
      this.#signal.removeEventListener('abort', stop);
      progress.stop();
    }
  }

  async *#journals(directory: string): AsyncGenerator<LedgerRecord, void, void> {
    const folders = findJournals(directory);
    if (folders.length === 0) {
      const advice = 'give a folder with *.journal files, or one above it; NDJSON files are given by their own names';
      throw new Failure(EXIT.usage, `${directory}: there is no journal in this folder`, advice);
    }
    for (const folder of folders) {
      const journal = await readJournal(folder);
      this.hasRemovedSegments ||= !journal.isWhole;
      for (const { file, offset, bytes, kind } of journal.damages) {
        this.#terminal.warn(`${file}: ${bytes} bytes from ${offset} on are no event (${kind})`);
      }
      const progress = startProgress(this.#terminal, folder, journal.events);
      try {
        for await (const record of this.#continued(folder, journal.records())) {
          progress.update(record.streamSeq);
          yield record;
          if (this.#signal.aborted) return;
        }
      } finally {
        progress.stop();
      }
    }
  }

  async *#continued(file: string, records: AsyncIterable<LedgerRecord>): AsyncGenerator<LedgerRecord, void, void> {
    const before = this.#last;
    this.#parts.push({ file, before });
    for await (const record of records) {
      this.#last = before + record.streamSeq;
      yield { ...record, streamSeq: this.#last };
    }
  }
}

function findJournals(folder: string, depth = 0): string[] {
  const entries = readdirSync(folder, { withFileTypes: true });
  if (entries.some(({ name }) => SEGMENT.test(name))) return [folder];
  if (depth === JOURNAL_DEPTH_MAX) return [];
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => path.join(folder, name))
    .sort()
    .flatMap((child) => findJournals(child, depth + 1));
}
