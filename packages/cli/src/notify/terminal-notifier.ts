import type { Notification, NotificationStatus, Notifier } from '@spanledger/ledger';
import { durationText } from '../commands/event-text.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { visible } from '../terminal/visible.ts';

const STATUS_WIDTH = 10;
const ROWS_DEFAULT = 24;
/** From here on characters may be two columns wide. */
const WIDE = 0x1100;

/**
 * One line for each message: in a terminal it is drawn anew when it changes, as long as it is on the screen, and else said below. In a
 * pipe nothing can be taken back: each new state is a line, and a rewind one that corrects the earlier ones.
 */
export class TerminalNotifier implements Notifier {
  readonly #terminal: Terminal;
  /** Number of the line of each message on the screen, from the first that was written. */
  readonly #lines = new Map<string, number>();
  #written = 0;
  readonly edit?: NonNullable<Notifier['edit']>;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    if (terminal.isTerminal && terminal.io.env['TERM'] !== 'dumb') {
      this.edit = (reference, message) => this.#redraw(reference, message);
    }
  }

  async post(message: Notification): Promise<string> {
    await this.#append(message.id, this.#line(message));
    return 'line';
  }

  /** Something else was written to the screen: no line is any more where it was. */
  lose(): void {
    this.#lines.clear();
  }

  async #append(id: string, line: string): Promise<void> {
    await this.#terminal.line(line);
    this.#written += 1;
    this.#lines.delete(id);
    this.#lines.set(id, this.#written);
    const [oldest] = this.#lines.keys();
    if (this.#lines.size > this.#rows) this.#lines.delete(oldest!);
  }

  async #redraw(_reference: string, message: Notification): Promise<void> {
    const up = this.#written + 1 - (this.#lines.get(message.id) ?? -Infinity);
    const line = this.#line(message);
    if (up >= this.#rows) return this.#append(message.id, line);
    await this.#terminal.write(`\u001b[${up}A\r\u001b[2K${line}\u001b[${up}B\r`);
  }

  get #rows(): number {
    return (this.#terminal.io.stdout as Partial<NodeJS.WriteStream>).rows ?? ROWS_DEFAULT;
  }

  #line(message: Notification): string {
    const { executionId, producer, durationMs, status, title } = message;
    const texts = [title, executionId, producer, durationMs === undefined ? undefined : durationText(durationMs)];
    const text = texts.flatMap((one) => (one === undefined ? [] : [visible(one)])).join('  ');
    const room = this.edit === undefined ? Infinity : this.#terminal.columns - STATUS_WIDTH - 2;
    return `${this.#colored(status)} ${fitting(text, room)}`;
  }

  #colored(status: NotificationStatus): string {
    const { colors } = this.#terminal;
    const text = status.padEnd(STATUS_WIDTH);
    switch (status) {
      case 'completed':
        return colors.green(text);
      case 'failed':
        return colors.red(text);
      case 'running':
        return colors.cyan(text);
      default:
        return colors.dim(text);
    }
  }
}

/** What goes into one row: a line that is broken could not be drawn anew. */
function fitting(text: string, columns: number): string {
  let used = 0;
  let end = 0;
  for (const character of text) {
    used += character.codePointAt(0)! >= WIDE ? 2 : 1;
    if (used > columns) return text.slice(0, end);
    end += character.length;
  }
  return text;
}
