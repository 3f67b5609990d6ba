import { compare } from './account.mjs';

/** Adds up what a case of the journal alone has to answer. */
export class Outcome {
  faults = 0;
  offered = 0;
  accepted = 0;
  stored = 0;
  reported = 0;
  lost = 0;
  unreported = 0;
  duplicates = 0;
  problems = [];
  notes = {};

  /**
   * Takes what a producer was answered and what was found of it later.
   *
   * @param isExcused positions that need not be there any more: acknowledged ones.
   * @param inFlightMax events that may be there without an answer: the process died in `append`.
   */
  count(where, account, found, { isExcused, inFlightMax = 0 } = {}) {
    const { lost, unreported, duplicates, changed, foreign } = compare(account.accepted, found, isExcused);
    this.offered += account.accepted.size + account.refused.length;
    this.accepted += account.accepted.size;
    this.stored += new Set(found?.events.map(({ position }) => position)).size;
    this.lost += lost.length;
    this.unreported += unreported.length;
    this.reported += lost.length - unreported.length;
    this.duplicates += duplicates.length;
    if (lost.length > 0) this.problem(`${where}: lost ${lost.slice(0, 10).join()}`);
    if (duplicates.length > 0) this.problem(`${where}: twice ${duplicates.slice(0, 10).join()}`);
    if (changed.length > 0) this.problem(`${where}: other bytes at ${changed[0]}`);
    if (foreign.length > inFlightMax) this.problem(`${where}: never accepted ${foreign.slice(0, 10).join()}`);
  }

  problem(text) {
    this.problems.push(text);
  }
}
