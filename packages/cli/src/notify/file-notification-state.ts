import { closeSync, existsSync, fdatasyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import type { NotificationMemory, NotificationState, RememberedNotification } from '@spanledger/ledger';
import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';

const FORMAT = 'spanledger notifications 1';
/** Lines above which a file is written anew, if most of them say what no longer holds. */
const COMPACT_LINES = 1_000;
const COMPACT_RATIO = 4;

type Line =
  | { readonly format: string; readonly about: string }
  | { readonly set: string; readonly message: RememberedNotification; readonly to: number }
  | { readonly to: number }
  | { readonly forget: readonly string[] };

/**
 * What was said, in a file of one line for each change: it survives `kill -9` at any moment, and a power cut, after which a line that was
 * half written is left out. Written anew, under another name first, when it has grown. One process at a time.
 *
 * @param about the channel and the stream: a file about others is not taken.
 * @throws Failure for a file that is something else; whatever the file system throws
 */
export class FileNotificationState implements NotificationState {
  readonly #file: string;
  readonly #about: string;
  readonly #messages = new Map<string, RememberedNotification>();
  #to: number | undefined;
  #lines = 0;
  #fd: number;

  constructor(file: string, about: string) {
    this.#file = file;
    this.#about = about;
    if (existsSync(file)) this.#read(readFileSync(file, 'utf8'));
    this.#fd = this.#writeAnew();
  }

  load(): NotificationMemory {
    return { streamSeq: this.#to, messages: new Map(this.#messages) };
  }

  set(id: string, message: RememberedNotification, to: number): void {
    this.#append({ set: id, message, to });
    fdatasyncSync(this.#fd);
  }

  reach(to: number): void {
    if (to !== this.#to) this.#append({ to });
  }

  forget(ids: readonly string[]): void {
    this.#append({ forget: ids });
  }

  close(): void {
    closeSync(this.#fd);
  }

  #append(line: Line): void {
    writeSync(this.#fd, `${JSON.stringify(line)}\n`);
    this.#apply(line);
    this.#lines += 1;
    if (this.#lines < COMPACT_LINES + COMPACT_RATIO * this.#messages.size) return;
    closeSync(this.#fd);
    this.#fd = this.#writeAnew();
  }

  #apply(line: Line): void {
    if ('to' in line) this.#to = line.to;
    if ('set' in line) this.#messages.set(line.set, line.message);
    if ('forget' in line) for (const id of line.forget) this.#messages.delete(id);
  }

  #read(text: string): void {
    const lines = text.split('\n');
    // What is after the last line break was not written to its end.
    lines.pop();
    const [first, ...rest] = lines.map((line) => this.#parse(line));
    if (first === undefined) return;
    if (!('format' in first) || first.format !== FORMAT) throw this.#unusable('it is not a file of `notify --state`');
    if (first.about !== this.#about) throw this.#unusable('it is about another channel or another stream');
    for (const line of rest) this.#apply(line);
  }

  #parse(line: string): Line {
    try {
      const value = JSON.parse(line) as unknown;
      if (typeof value === 'object' && value !== null) return value as Line;
    } catch {
      // Below.
    }
    throw this.#unusable('it is damaged, or not a file of `notify --state`');
  }

  #unusable(reason: string): Failure {
    const advice = 'name another file; without what it remembers, everything may be said a second time';
    return new Failure(EXIT.usage, `--state ${this.#file} cannot be used: ${reason}`, advice);
  }

  /** @returns open for appending. */
  #writeAnew(): number {
    const lines: Line[] = [{ format: FORMAT, about: this.#about }];
    if (this.#to !== undefined) lines.push({ to: this.#to });
    for (const [id, message] of this.#messages) lines.push({ set: id, message, to: this.#to ?? 0 });
    this.#lines = lines.length;
    const part = `${this.#file}.part`;
    const fd = openSync(part, 'w', 0o600);
    writeSync(fd, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    fdatasyncSync(fd);
    renameSync(part, this.#file);
    return fd;
  }
}
