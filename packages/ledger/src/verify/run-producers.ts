/** The first event of one producer in a run: by number, and of rivals the one with the lower hash, so that arrival does not count. */
export interface FirstEvent {
  readonly producer: string;
  readonly seq: number;
  readonly hash: string;
}

/** Who wrote in a run. It belongs to the producer of its first event. */
export class RunProducers {
  #owner: FirstEvent | undefined;
  /** Of who else wrote in it: nobody, in a sound run. */
  #others: Map<string, FirstEvent> | undefined;

  note(first: FirstEvent): void {
    const owner = this.#owner;
    const known = this.firstOf(first.producer);
    if (known !== undefined && !isBefore(first, known)) return;
    if (owner === undefined || owner === known) this.#owner = first;
    else if (isBefore(first, owner)) {
      this.#others?.delete(first.producer);
      this.#noteOther(owner);
      this.#owner = first;
    } else this.#noteOther(first);
  }

  /** One, in a sound run. */
  names(): [owner: string, ...others: string[]] {
    const others = [...(this.#others?.values() ?? [])].sort((a, b) => (isBefore(a, b) ? -1 : 1));
    return [this.#owner?.producer ?? '', ...others.map(({ producer }) => producer)];
  }

  firstOf(producer: string): FirstEvent | undefined {
    return this.#owner?.producer === producer ? this.#owner : this.#others?.get(producer);
  }

  /** The owner is known from now on, also beside a rival of its first event. */
  letGo(): void {
    if (this.#owner !== undefined) this.#owner = { ...this.#owner, hash: '' };
  }

  #noteOther(first: FirstEvent): void {
    this.#others ??= new Map();
    this.#others.set(first.producer, first);
  }
}

function isBefore(a: FirstEvent, b: FirstEvent): boolean {
  return a.seq < b.seq || (a.seq === b.seq && a.hash < b.hash);
}
