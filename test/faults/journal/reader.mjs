import { openJournal } from '@spanledger/audit';

/**
 * Adopts journals one after the other in this process, which is not the one that wrote them: thousands of damaged copies in
 * the time that a few dozen processes need to start.
 */
export class Reader {
  problems = [];
  #journal;

  constructor(directory) {
    this.#journal = openJournal({
      directory,
      producer: 'faults',
      retentionMs: 600_000,
      onProblem: (error) => this.problems.push(error.message),
    });
  }

  /** @returns the same as an adopting process says. */
  async find(folder) {
    const adopted = await this.#journal.adopt(folder);
    const found = { events: [], lost: adopted.lost, damages: adopted.damages };
    for await (const { position, event, acknowledged } of adopted.read()) {
      found.events.push({ position, hash: event.hash, acknowledged });
    }
    await adopted.close();
    return found;
  }

  close() {
    return this.#journal.close();
  }
}
