const MAX_CHARS = 64 * 1024;

/** Keeps the end of a process's output: at most 64 KiB. */
export class LogTail {
  #text = '';

  get text(): string {
    return this.#text;
  }

  add(chunk: Buffer): void {
    this.#text = (this.#text + chunk.toString('utf8')).slice(-MAX_CHARS);
  }

  clear(): void {
    this.#text = '';
  }
}
