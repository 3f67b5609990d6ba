import { cp, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { run } from './processes.mjs';
import { ROOT, StepFailed } from './steps.mjs';

const GROUND = path.join(ROOT, '.cache/mutants');
/** Of a package; what runs is in `dist`. Packages find each other by relative links, so in the copy they find the copies. */
const NOT_COPIED = new Set(['src', 'test']);

/** Copies what the fault suite runs on, so that nobody else runs on what is broken on purpose. */
export async function prepareGround() {
  await rm(GROUND, { recursive: true, force: true });
  await mkdir(GROUND, { recursive: true });
  await symlink(path.join(ROOT, 'node_modules'), path.join(GROUND, 'node_modules'));
  await copy('package.json');
  for (const name of ['package.json', 'node_modules', 'faults']) await copy(`test/${name}`);
  for (const name of await readdir(path.join(ROOT, 'packages'))) {
    for (const part of await readdir(path.join(ROOT, 'packages', name))) {
      if (!NOT_COPIED.has(part)) await copy(`packages/${name}/${part}`);
    }
  }
}

function copy(name) {
  return cp(path.join(ROOT, name), path.join(GROUND, name), { recursive: true, verbatimSymlinks: true });
}

/** @returns {Promise<string | undefined>} why a mutant of what is built can no longer be made; `undefined` if it can. */
export async function outOfDate({ file, find }) {
  const text = await readFile(path.join(ROOT, 'packages', file), 'utf8').catch(() => undefined);
  if (text === undefined) return `there is no packages/${file}`;
  const count = text.split(find).length - 1;
  return count === 1 ? undefined : `packages/${file} has ${count} times: ${find}`;
}

/** Runs cases of the suite in the copy, with one place in it changed meanwhile. @returns {Promise<object[]>} as the suite reports them */
export async function runMutated({ file, find, replace }, cases) {
  const text = await readFile(fileOf(file), 'utf8');
  // Not as a pattern: `$` in the replacement means itself.
  await writeFile(
    fileOf(file),
    text.replace(find, () => replace),
  );
  try {
    return await runCases(cases);
  } finally {
    await writeFile(fileOf(file), text);
  }
}

/** Runs cases of the suite in the copy, in their quick form. @returns {Promise<object[]>} as the suite reports them */
export async function runCases(cases) {
  const args = ['test/faults/run.mjs', '--quick', '--json', '--only', cases.join()];
  const { output } = await run(process.execPath, args, { cwd: GROUND });
  // Progress is in between; the result is one line.
  const result = output.split('\n').findLast((line) => line.startsWith('[{'));
  if (result === undefined) throw new StepFailed(`the suite has no result for ${cases}:\n${output}`);
  return JSON.parse(result);
}

function fileOf(file) {
  return path.join(GROUND, 'packages', file);
}
