import xterm from '@xterm/headless';

/** A terminal that is fed with what a program writes, and says what a person sees and can scroll back to. */
export class Screen {
  readonly #xterm: InstanceType<typeof xterm.Terminal>;

  constructor(columns: number, rows: number) {
    this.#xterm = new xterm.Terminal({ cols: columns, rows, scrollback: 10_000, allowProposedApi: true });
  }

  /** @param bytes as they leave a program: its line breaks are those of a terminal only behind a pseudo-terminal. */
  write(bytes: string): Promise<void> {
    return new Promise((resolve) => this.#xterm.write(bytes, resolve));
  }

  resize(columns: number, rows: number): void {
    this.#xterm.resize(columns, rows);
  }

  /** All lines, wrapped ones joined, without the last, where the cursor is. */
  lines(): string[] {
    const { active } = this.#xterm.buffer;
    const lines: string[] = [];
    for (let y = 0; y < active.baseY + active.cursorY; y += 1) {
      const row = active.getLine(y)!;
      const text = row.translateToString(true);
      if (row.isWrapped) lines[lines.length - 1] += text;
      else lines.push(text);
    }
    return lines;
  }

  /** Lines of which some character is struck through. */
  struck(): string[] {
    const { active } = this.#xterm.buffer;
    return Array.from({ length: active.length }, (_, y) => active.getLine(y)!)
      .filter((row) => row.getCell(0)?.isStrikethrough() !== 0)
      .map((row) => row.translateToString(true));
  }
}
