import type { Notification, NotificationStatus, Notifier } from '@spanledger/ledger';
import { durationText } from '../commands/event-text.ts';
import { CorrectableLines } from '../terminal/correctable-lines.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { visible } from '../terminal/visible.ts';

const STATUS_WIDTH = 10;

/**
 * One line for each message: in a terminal it is drawn anew when it changes, as long as it is on the screen, and else said below. In a
 * pipe nothing can be taken back: each new state is a line, and a rewind one that corrects the earlier ones.
 */
export class TerminalNotifier implements Notifier {
  readonly #terminal: Terminal;
  readonly #lines: CorrectableLines;
  readonly edit?: NonNullable<Notifier['edit']>;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#lines = new CorrectableLines(terminal);
    if (terminal.window !== undefined) this.edit = (_reference, message) => this.#redraw(message);
  }

  async post(message: Notification): Promise<string> {
    await this.#lines.print(this.#line(message), message.id);
    return 'line';
  }

  /** Something else is being written to the screen. */
  lose(): void {
    this.#lines.forget();
  }

  async #redraw(message: Notification): Promise<void> {
    const line = this.#line(message);
    const drawn = await this.#lines.correct(new Set([message.id]), () => line);
    if (!drawn.has(message.id)) await this.#lines.print(line, message.id);
  }

  #line({ executionId, producer, durationMs, status, title }: Notification): string {
    const texts = [title, executionId, producer, durationMs === undefined ? undefined : durationText(durationMs)];
    const text = texts.flatMap((one) => (one === undefined ? [] : [visible(one)])).join('  ');
    return `${this.#colored(status)} ${text}`;
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
