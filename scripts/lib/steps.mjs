import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './processes.mjs';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A step did not succeed; the message is what its tool printed. */
export class StepFailed extends Error {}

/** Runs and times steps, and tells one line for each to `out`. */
export function stepRunner(out) {
  return async function step(name, action) {
    const startedMs = Date.now();
    const note = (text) => out.write(`${text} ... `);
    note(`  ${name}`);
    try {
      const result = await action(note);
      out.write(`ok, ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n`);
      return result;
    } catch (error) {
      out.write(`FAILED, ${((Date.now() - startedMs) / 1000).toFixed(1)} s\n`);
      throw error;
    }
  };
}

/** Runs a command in the repository; its output is shown only if it fails. */
export async function command(file, args, options = {}) {
  const { code, output } = await run(file, args, { cwd: ROOT, ...options });
  if (code !== 0) throw new StepFailed(output.trim() || `${file} ${args.join(' ')}: exit code ${code}`);
  return output;
}

/** Runs an installed tool, given as `<package>/<file>` below node_modules. */
export function tool(name, args = [], options = {}) {
  return command(process.execPath, [path.join(ROOT, 'node_modules', name), ...args], options);
}
