/** Tokens of visible ASCII, no wildcards. Anything else the server drops without an answer, or ends the connection. */
const SUBJECT = /^(?:[!-)+,\-/-=?-~]+\.)*[!-)+,\-/-=?-~]+$/;
/** The server's limit for a whole control line is 4,096 bytes; a longer one ends the connection and all that is in flight. */
const SUBJECT_MAX_BYTES = 2_048;

/** The subject of each event; knows which can be published on. */
export class PublishSubject {
  readonly #fixed: string | undefined;
  /** The last one that was good, which is mostly the next one. */
  #good = '';

  /** @param fixed one subject for everything; `undefined`: each event's own. */
  constructor(fixed: string | undefined) {
    this.#fixed = fixed;
  }

  of(event: { readonly subject: string }): string {
    return this.#fixed ?? event.subject;
  }

  isPublishable(subject: string): boolean {
    if (subject === this.#good) return true;
    if (subject.length > SUBJECT_MAX_BYTES || !SUBJECT.test(subject)) return false;
    this.#good = subject;
    return true;
  }
}
