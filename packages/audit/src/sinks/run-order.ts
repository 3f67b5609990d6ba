/**
 * Between two sinks: lets the events of each run through in the order in which they came, whatever the order in which they become
 * ready. One run does not wait for another. I7: it holds as many runs as have an event between the two.
 */
export class RunOrder {
  readonly #lastOf = new Map<string, Promise<unknown>>();

  /** @returns what `ready` does, once everything of the run that came before has been returned. `ready` must not reject. */
  through<T>(runId: string, ready: Promise<T>): Promise<T> {
    const passed = this.#pass(this.#lastOf.get(runId), ready);
    this.#lastOf.set(runId, passed);
    void passed.then(() => {
      if (this.#lastOf.get(runId) === passed) this.#lastOf.delete(runId);
    });
    return passed;
  }

  /** Waits until everything that has come so far is through. */
  async empty(): Promise<void> {
    await Promise.all(this.#lastOf.values());
  }

  async #pass<T>(before: Promise<unknown> | undefined, ready: Promise<T>): Promise<T> {
    const value = await ready;
    await before;
    return value;
  }
}
