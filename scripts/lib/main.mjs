import { StepFailed } from './steps.mjs';

/** Runs a script: a failed step shows what its tool printed, without our stack. */
export async function main(script) {
  // CI=true alone would make the tools colour their output for a log file.
  if (!process.stdout.isTTY) process.env['NO_COLOR'] ??= '1';
  try {
    process.exitCode = await script(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof StepFailed ? error.message : error);
    process.exitCode = 1;
  }
}
