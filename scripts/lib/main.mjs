import { StepFailed } from './steps.mjs';

/** Runs a script: a failed step shows what its tool printed, without our stack. */
export async function main(script) {
  try {
    process.exitCode = await script(process.argv.slice(2));
  } catch (error) {
    console.error(error instanceof StepFailed ? error.message : error);
    process.exitCode = 1;
  }
}
