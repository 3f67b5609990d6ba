import { SpanledgerError } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import { backgroundPause } from '../journal/background-pause.ts';
import type { Journal } from '../journal/journal.ts';
import { InheritedJournal } from './inherited-journal.ts';
import type { InheritedJournalOptions } from './inherited-journal.ts';

/** How often it looks for processes that have died meanwhile. */
const LOOK_MS = 60_000;

/** Journals taken over whose events do not all have an outcome. Those with an event that never gets one are among them. */
const UNSETTLED_MAX = 16;

export interface InheritanceOptions extends InheritedJournalOptions {
  readonly journal: Journal;
}

/**
 * What dead processes of this producer have left in the journal directory: publishes what was not acknowledged, same bytes,
 * same message id (a second copy is collapsed by readers), and then names the runs that they left open. One journal after the
 * other is read; what this process does not come to, another one may take.
 */
export class Inheritance {
  readonly #options: InheritanceOptions;
  readonly #inherited = new Set<InheritedJournal>();
  readonly #unsettled = new Set<Promise<void>>();
  #isLooking = false;
  #timer: NodeJS.Timeout | undefined;
  /** A process that ends must not be kept by hundreds of dead ones. */
  readonly #ending = new AbortController();

  constructor(options: InheritanceOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref();
    this.#look();
  }

  /** Whether the sink still has what it had acknowledged is being found out. */
  doubt(isDoubtful: boolean): void {
    for (const inherited of this.#inherited) inherited.doubt(isDoubtful);
  }

  /** Everything that is still kept is published once more. */
  readAgain(): void {
    for (const inherited of this.#inherited) inherited.readAgain();
  }

  /** What is not done is left to the next process; the journal lets go of the folders when it is closed. */
  close(): void {
    this.#ending.abort();
    clearInterval(this.#timer);
    for (const inherited of this.#inherited) inherited.close();
  }

  #look(): void {
    for (const inherited of this.#inherited) {
      if (inherited.isGone) this.#inherited.delete(inherited);
      // There may have been no room for it.
      else inherited.report();
    }
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#adoptAll()
      .catch((error: unknown) => log.error('journals of dead processes could not be looked for:', error))
      .finally(() => (this.#isLooking = false));
  }

  async #adoptAll(): Promise<void> {
    for (const folder of await this.#options.journal.adoptable(this.#ending.signal)) {
      await backgroundPause();
      if (this.#unsettled.size >= UNSETTLED_MAX) await Promise.race(this.#unsettled);
      if (this.#ending.signal.aborted) return;
      await this.#adopt(folder).catch((error: unknown) => {
        // Another process was faster.
        if (error instanceof SpanledgerError && error.code === 'SPANLEDGER_JOURNAL_LOCKED') return;
        log.error(`the journal ${folder} of a dead process could not be taken over:`, error);
      });
    }
  }

  async #adopt(folder: string): Promise<void> {
    const inherited = new InheritedJournal(await this.#options.journal.adopt(folder), this.#options);
    this.#inherited.add(inherited);
    const settled = inherited
      .settle()
      .catch((error: unknown) => log.error(`the end of the process of ${folder} could not be reported:`, error))
      .finally(() => this.#unsettled.delete(settled));
    this.#unsettled.add(settled);
    await inherited.whenGiven();
  }
}
