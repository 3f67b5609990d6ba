/**
 * Between two sinks: hands the events of each run to the next in the order in which they came, whatever the order in which the one
 * before has stored them. One run does not wait for another. I7: it holds what is between the two.
 */
export class OrderedHandover {
  /** The last of each run, and what has no order under a key of its own. */
  readonly #lastOf = new Map<unknown, Promise<unknown>>();

  /** @returns what `ready` does, once everything of the run that came before has been returned. `ready` must not reject. */
  inOrder<T>(runId: string, ready: Promise<T>): Promise<T> {
    return this.#track(runId, this.#pass(this.#lastOf.get(runId), ready));
  }

  /** Only `empty` waits for it. `ready` must not reject. */
  atOnce<T>(ready: Promise<T>): Promise<T> {
    return this.#track(ready, ready);
  }

  /** Waits until everything that has come so far is through. */
  async empty(): Promise<void> {
    await Promise.all(this.#lastOf.values());
  }

  #track<T>(key: unknown, passed: Promise<T>): Promise<T> {
    this.#lastOf.set(key, passed);
    void passed.then(() => {
      if (this.#lastOf.get(key) === passed) this.#lastOf.delete(key);
    });
    return passed;
  }

  async #pass<T>(before: Promise<unknown> | undefined, ready: Promise<T>): Promise<T> {
    const value = await ready;
    await before;
    return value;
  }
}
