import type { Terminal } from '../terminal/terminal.ts';

/** What every command is given. */
export interface CommandContext {
  readonly terminal: Terminal;
  /** Aborted by Ctrl-C, SIGTERM, or when nobody reads the output any more. */
  readonly signal: AbortSignal;
  /** Ctrl-C or SIGTERM: the work was not finished, whatever has been printed. */
  readonly interrupted: AbortSignal;
}
