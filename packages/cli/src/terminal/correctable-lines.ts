import { setImmediate } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import type { Terminal, WindowSize } from './terminal.ts';

interface Line {
  readonly id: string | undefined;
  readonly text: string;
  /** On a terminal that is as wide as the one that it was written to. */
  readonly rows: number;
}

/** What becomes of a line: another text, or nothing. */
type Correction = (plainText: string) => string | undefined;

/**
 * Lines of stdout, of which those that can still be seen can be corrected where they stand.
 *
 * It moves the cursor by rows that it has counted, and so corrects only what it is sure of: where a line may be as high as that or
 * higher (characters whose width terminals disagree on), or after the window was resized (terminals wrap anew, or not), what is above is
 * as if it had scrolled away. Held: a window of lines (I7).
 */
export class CorrectableLines {
  readonly #terminal: Terminal;
  /** In sight, oldest first, down to the cursor. */
  #lines: Line[] = [];
  #window: WindowSize | undefined;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /** @param text has passed `visible`. @param id may name several lines. */
  async print(text: string, id?: string): Promise<void> {
    this.#refresh();
    this.#hold(id, text);
    await this.#terminal.line(text);
  }

  /** @returns which of them stood on the screen, and are corrected. */
  async correct(ids: ReadonlySet<string>, correction: Correction): Promise<ReadonlySet<string>> {
    const isStale = ({ id }: Line): boolean => id !== undefined && ids.has(id);
    // A signal that the window was resized is not later than this.
    await setImmediate();
    this.#refresh();
    const first = this.#lines.findIndex(isStale);
    if (first === -1) return new Set();
    const below = this.#lines.splice(first);
    let drawn = toLineAbove(below.reduce((sum, { rows }) => sum + rows, 0));
    for (const line of below) {
      const text = isStale(line) ? correction(stripVTControlCharacters(line.text)) : line.text;
      if (text === undefined) continue;
      this.#hold(line.id, text);
      drawn += `${text}\n`;
    }
    // In one piece: what comes between would be counted by nobody.
    await this.#terminal.write(drawn);
    return new Set(below.filter(isStale).map(({ id }) => id as string));
  }

  /** To be called when anybody else has written to the screen. */
  forget(): void {
    this.#lines = [];
  }

  #refresh(): void {
    const before = this.#window;
    this.#window = this.#terminal.window;
    if (before?.columns !== this.#window?.columns || before?.rows !== this.#window?.rows) this.forget();
  }

  #hold(id: string | undefined, text: string): void {
    if (this.#window === undefined) return;
    const rows = rowsOf(text, this.#window);
    if (rows === undefined) return this.forget();
    this.#lines.push({ id, text, rows });
    // The cursor stands below them.
    let left = this.#window.rows - 1;
    const hidden = this.#lines.findLastIndex((line) => (left -= line.rows) < 0);
    this.#lines.splice(0, hidden + 1);
  }
}

const CLEAR_BELOW = '\u001b[J';

function toLineAbove(rows: number): string {
  return `\u001b[${rows}A\r${CLEAR_BELOW}`;
}

const ASCII = /^[ -~]*$/;

/** `undefined` where it depends on the terminal: wide and joined characters, and a line that ends at the very edge. */
function rowsOf(text: string, { columns }: WindowSize): number | undefined {
  const plain = stripVTControlCharacters(text);
  const isSure = ASCII.test(plain) ? plain === '' || plain.length % columns !== 0 : plain.length * 2 < columns;
  return isSure ? Math.max(1, Math.ceil(plain.length / columns)) : undefined;
}
