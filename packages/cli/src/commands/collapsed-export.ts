import { AttemptIndex, collapse } from '@spanledger/ledger';
import type { CollapseMode, CollapsedRecord } from '@spanledger/ledger';
import type { Link } from '../source/link.ts';
import { readStream } from '../source/read-stream.ts';
import type { SelectionFlags } from '../source/selection.ts';
import type { Terminal } from '../terminal/terminal.ts';

/** What an export leaves out, or counts, of superseded attempts. It reads the stream twice, and holds an `AttemptIndex` (I7). */
export class CollapsedExport {
  /** How many events of superseded attempts there were. */
  superseded = 0;
  readonly #terminal: Terminal;
  readonly #mode: CollapseMode;
  readonly #index = new AttemptIndex();

  constructor(terminal: Terminal, mode: CollapseMode) {
    this.#terminal = terminal;
    this.#mode = mode;
  }

  /** Attempts are looked for in what all producers have said, also before: which one is the last may have been said by another. */
  read(link: Link, selection: SelectionFlags): AsyncIterable<CollapsedRecord> {
    const { producer: _, since: __, ...wide } = selection;
    const records = readStream(this.#terminal, link, selection);
    if (this.#mode === 'none') return records;
    return collapse(records, 'mark', { attemptsFrom: readStream(this.#terminal, link, wide), index: this.#index });
  }

  async *choose(records: AsyncIterable<CollapsedRecord>): AsyncGenerator<CollapsedRecord, void, void> {
    for await (const record of records) {
      if (record.superseded) this.superseded += 1;
      if (!record.superseded || this.#mode !== 'superseded') yield record;
    }
  }

  sayWhatWasLeftOut(): void {
    const events = `${this.superseded} event${this.superseded === 1 ? '' : 's'} of superseded attempts`;
    if (this.#mode === 'mark') this.#terminal.note(`${events} among them`);
    if (this.#mode === 'superseded' && this.superseded > 0)
      this.#terminal.note(`left out: ${events}; so this export does not verify: their numbers are missing in it`);
    if (this.#index.forgotten > 0)
      this.#terminal.warn(
        `superseded events of ${this.#index.forgotten} executions were not recognised: there are too many`,
      );
  }
}
