import { readFileSync, statSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { SpanledgerError } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';

/** A key has a hundred bytes; whatever has more than this is no key. */
const BYTES_MAX = 16_384n;
const OTHERS_MAY_READ = 0o004n;

/** A file with a key in it, that may be replaced by one with another key. */
export class KeyFile {
  readonly #path: string;
  /** What told the content that was taken last from any other. */
  #version = '';
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;
  #complaint = '';

  constructor(file: string) {
    this.#path = file;
  }

  /** @throws SpanledgerError `SPANLEDGER_KEY` */
  read(): string {
    try {
      const stats = statSync(this.#path, { bigint: true });
      this.#check(stats);
      this.#version = versionOf(stats);
      return readFileSync(this.#path, 'utf8');
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  /**
   * Looks every so many milliseconds whether it has another content, and gives it to `take`. What `take` throws leaves everything as it
   * was, is logged once, and it is tried again: a file may be seen half written.
   */
  watch(intervalMs: number, take: (text: string) => void): void {
    this.#timer = setInterval(() => void this.#look(take), intervalMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #look(take: (text: string) => void): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      const stats = await stat(this.#path, { bigint: true });
      const version = versionOf(stats);
      if (version !== this.#version) {
        this.#check(stats);
        take(await readFile(this.#path, 'utf8'));
        this.#version = version;
      }
      this.#complaint = '';
    } catch (error) {
      this.#complain(this.#unreadable(error).message);
    } finally {
      this.#isLooking = false;
    }
  }

  #check({ size, mode }: BigIntStats): void {
    if (size > BYTES_MAX) throw new SpanledgerError('SPANLEDGER_KEY', `${this.#path} is too long for a key`);
    if ((mode & OTHERS_MAY_READ) !== 0n) {
      log.warn(`the signing key ${this.#path} can be read by everyone on this machine: chmod o= it`);
    }
  }

  #complain(message: string): void {
    if (message !== this.#complaint) log.error(`events are signed on with the key there was: ${message}`);
    this.#complaint = message;
  }

  #unreadable(error: unknown): SpanledgerError {
    if (error instanceof SpanledgerError) return error;
    return new SpanledgerError('SPANLEDGER_KEY', `the signing key ${this.#path} cannot be read: ${String(error)}`, {
      cause: error,
    });
  }
}

/** A mounted secret is replaced by another file: its time alone could be an older one. */
function versionOf({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${ino} ${size} ${mtimeNs} ${ctimeNs}`;
}
