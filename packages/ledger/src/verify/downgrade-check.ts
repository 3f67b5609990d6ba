import type { Place, SignatureFinding } from './finding.ts';

/** Of one run and kind of event: the first without a signature, and whether others have one. I7: not all of them. */
interface Kind {
  firstUnsigned: Place | undefined;
  isSigned: boolean;
}

/**
 * Finds, when all is read, the signatures that were taken off: a process signs from its first event to its last, or not at all, so that
 * an unsigned one beside a signed one of its run and kind (checkpoint or not) has lost it.
 */
export class DowngradeCheck {
  readonly #kinds = new Map<string, Kind>();

  see(event: string, place: Place, isSigned: boolean): void {
    const key = `${place.runId} ${event === 'audit_checkpoint'}`;
    let kind = this.#kinds.get(key);
    if (kind === undefined) this.#kinds.set(key, (kind = { firstUnsigned: undefined, isSigned: false }));
    if (isSigned) kind.isSigned = true;
    else if (kind.firstUnsigned === undefined || place.seq < kind.firstUnsigned.seq) kind.firstUnsigned = place;
  }

  /** The first event without a signature of each run and kind that has others. */
  findings(): SignatureFinding[] {
    return [...this.#kinds.values()].flatMap(({ firstUnsigned, isSigned }) =>
      isSigned && firstUnsigned !== undefined ? [{ cause: 'signature_downgraded', ...firstUnsigned }] : [],
    );
  }
}
