const SAVE_MS = 250;

/** Saves acknowledgements: soon after the first one, and all that come meanwhile with it. */
export class Saver {
  readonly #save: () => void;
  readonly #onProblem: (error: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #hasFailed = false;

  /** @param onProblem told once until it works again: on a full disk every save fails. */
  constructor(save: () => void, onProblem: (error: unknown) => void) {
    this.#save = save;
    this.#onProblem = onProblem;
  }

  /** Within 250 ms. */
  soon(): void {
    this.#timer ??= setTimeout(this.now, SAVE_MS).unref();
  }

  /** Before it returns. */
  readonly now = (): void => {
    this.cancel();
    try {
      this.#save();
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed) this.#onProblem(error);
      this.#hasFailed = true;
    }
  };

  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
