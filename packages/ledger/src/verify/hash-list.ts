/** Of a hash that was let go: nobody can make a second content for 64 bits. */
const PRINT_UNITS = 16;

/** SHA-256 hashes (64 hex each) by index from 0; and, of those that were let go, the first 16 hex. */
export class HashList {
  /** One string: an array of short ones costs twice as much. */
  #prints = '';
  #hashes: string[] = [];

  get length(): number {
    return this.#released + this.#hashes.length;
  }

  /** The hash, or as much of it as is known. */
  at(index: number): string | undefined {
    const released = this.#released;
    if (index < 0 || index >= released) return this.#hashes[index - released];
    return this.#prints.slice(index * PRINT_UNITS, (index + 1) * PRINT_UNITS);
  }

  push(hash: string): void {
    this.#hashes.push(hash);
  }

  letGo(): void {
    this.#prints = [this.#prints, ...this.#hashes.map((hash) => hash.slice(0, PRINT_UNITS))].join('');
    this.#hashes = [];
  }

  get #released(): number {
    return this.#prints.length / PRINT_UNITS;
  }
}

/** Whether a hash is the one of which this is known: all, or the first 16 hex. */
export function isHash(hash: string, known: string | undefined): boolean {
  return known !== undefined && hash.startsWith(known);
}
