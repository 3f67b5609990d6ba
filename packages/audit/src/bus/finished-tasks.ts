/**
 * The tasks that ended last: who comes for one of these comes too late.
 *
 * I7: it keeps `max` ids, however many tasks end; the oldest is forgotten first. A ring beside the set, because taking the
 * oldest member out of a `Set` again and again means walking over all that were taken out before it.
 */
export class FinishedTasks {
  readonly #ids = new Set<string>();
  readonly #ring: string[] = [];
  readonly #max: number;
  #oldest = 0;

  constructor(max: number) {
    this.#max = max;
  }

  has(taskId: string): boolean {
    return this.#ids.has(taskId);
  }

  add(taskId: string): void {
    if (this.#ids.has(taskId)) return;
    this.#ids.add(taskId);
    const forgotten = this.#ring[this.#oldest];
    if (forgotten !== undefined) this.#ids.delete(forgotten);
    this.#ring[this.#oldest] = taskId;
    this.#oldest = (this.#oldest + 1) % this.#max;
  }
}
