import { Command } from 'commander';
import type { CommandContext } from './run/context.ts';
import { addDoctor } from './commands/doctor.ts';
import { addExplain } from './commands/explain.ts';
import { addExport } from './commands/export.ts';
import { addKeys } from './commands/keys.ts';
import { addNotify } from './commands/notify.ts';
import { addRollup } from './commands/rollup.ts';
import { addStatus } from './commands/status.ts';
import { addStream } from './commands/stream.ts';
import { addVerify } from './commands/verify.ts';
import { addWatch } from './commands/watch.ts';
import { VERSION } from './run/version.ts';

const COMMANDS = [
  addWatch,
  addNotify,
  addStatus,
  addVerify,
  addRollup,
  addExport,
  addExplain,
  addDoctor,
  addStream,
  addKeys,
];

/** @param end told the exit code of the command that ran. */
export function createProgram(context: CommandContext, end: (exitCode: number) => void): Command {
  const { io } = context.terminal;
  const program = new Command('spanledger')
    .description('Reads, verifies and looks after a Spanledger audit ledger.')
    .version(VERSION)
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError('(--help says more)')
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      // It repeats what was typed.
      writeErr: (text) => context.terminal.note(text.trimEnd()),
    })
    .addHelpText('after', '\nExit codes: 0 clean, 1 findings, 2 usage, 3 unreachable, 130 interrupted.');
  for (const add of COMMANDS) add(program, context, end);
  return program;
}
