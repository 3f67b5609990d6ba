import { readAudit } from '@spanledger/jetstream';
import { parseEvent } from '@spanledger/protocol';
import type { LedgerRecord } from '@spanledger/protocol';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { Link } from './link.ts';
import { readStream } from './read-stream.ts';

/** Runs and producers of an execution that are remembered. I7: past these, what they report is not looked for. */
const PRODUCERS_MAX = 10_000;

/**
 * The events of one execution, and after them what the processes of its producers say of themselves, from the execution's
 * first stream sequence on: their loss reports and checkpoints are about its runs too.
 */
export class ExecutionRecords {
  /** Events of the execution itself. */
  count = 0;
  readonly #terminal: Terminal;
  readonly #link: Link;
  readonly #execution: string;
  readonly #runs = new Set<string>();
  readonly #producers = new Set<string>();
  #firstSeq: number | undefined;

  constructor(terminal: Terminal, link: Link, execution: string) {
    this.#terminal = terminal;
    this.#link = link;
    this.#execution = execution;
  }

  /** The execution's own. */
  async *readOwn(): AsyncGenerator<LedgerRecord, void, void> {
    for await (const record of readStream(this.#terminal, this.#link, { execution: this.#execution })) {
      this.#note(record);
      yield record;
    }
  }

  /** What its producers' processes say of themselves; after `readOwn`. */
  async *readReports(): AsyncGenerator<LedgerRecord, void, void> {
    const { connection, stream, signal } = this.#link;
    for (const producer of this.#producers) {
      const selection = { producer, execution: '', flat: false, fromSeq: this.#firstSeq ?? 1 };
      for await (const record of readAudit(connection, { ...selection, stream, signal })) {
        const event = parseEvent(record.bytes);
        if (event === undefined || this.#runs.has(event.run_id)) continue;
        yield record;
      }
      this.#link.throwIfLost();
    }
  }

  #note({ bytes, streamSeq }: LedgerRecord): void {
    this.count += 1;
    this.#firstSeq ??= streamSeq;
    const event = parseEvent(bytes);
    if (event === undefined) return;
    this.#runs.add(event.run_id);
    if (this.#producers.size < PRODUCERS_MAX) this.#producers.add(event.producer);
  }
}

/** @param what `execution e1`, or several such names. */
export function nothingOf(what: string, stream: string): Failure {
  const message = `stream ${stream} has no event of ${what}`;
  return new Failure(EXIT.findings, message, '`spanledger watch` shows what arrives; ids are case-sensitive');
}
