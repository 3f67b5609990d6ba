import { CommanderError } from 'commander';
import { createProgram } from './program.ts';
import { EXIT } from './run/exit-code.ts';
import { toFailure } from './run/failure.ts';
import { watchSignals } from './run/interruption.ts';
import { Terminal } from './terminal/terminal.ts';
import type { ProcessIo } from './terminal/terminal.ts';

/**
 * Runs one command line, and says everything there is to say. Never throws.
 *
 * @param args without the program's name.
 * @param io normally `process`.
 * @returns the exit code: 0 clean, 1 findings, 2 usage, 3 unreachable, 130 interrupted, 70 a fault of this program.
 */
export async function main(args: readonly string[], io: ProcessIo): Promise<number> {
  const terminal = new Terminal(io);
  const interruption = watchSignals();
  const interrupted = interruption.signal;
  const signal = AbortSignal.any([interrupted, terminal.readerGone]);
  let exitCode: number = EXIT.clean;
  try {
    const program = createProgram({ terminal, signal, interrupted }, (code) => (exitCode = code));
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    return interrupted.aborted ? EXIT.interrupted : explain(terminal, error);
  } finally {
    interruption.stop();
  }
}

function explain(terminal: Terminal, error: unknown): number {
  // It has said itself what was wrong; help and version are no errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.clean : EXIT.usage;
  // Nobody reads any more: there is nobody to tell.
  if (terminal.readerGone.aborted) return EXIT.clean;
  const failure = toFailure(error);
  if (failure === undefined) {
    terminal.fail(
      error instanceof Error ? (error.stack ?? error.message) : String(error),
      'this is a fault of spanledger',
    );
    return EXIT.fault;
  }
  terminal.fail(failure.message, failure.advice);
  return failure.exitCode;
}
