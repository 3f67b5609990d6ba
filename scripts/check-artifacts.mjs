// Checks what users install: every public package is packed, and publint and attw read the tarball.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { main } from './lib/main.mjs';
import { onInterrupt } from './lib/processes.mjs';
import { pack, publicPackages } from './lib/pack.mjs';
import { StepFailed, tool } from './lib/steps.mjs';

await main(async () => {
  const tarballs = await mkdtemp(path.join(tmpdir(), 'spanledger-pack-'));
  const remove = () => rm(tarballs, { recursive: true, force: true });
  onInterrupt(remove);
  try {
    const problems = await Promise.all((await publicPackages()).map((folder) => checkPackage(folder, tarballs)));
    if (problems.flat().length > 0) throw new StepFailed(problems.flat().join('\n\n'));
    return 0;
  } finally {
    await remove();
  }
});

/** @returns {Promise<string[]>} what publint and attw found */
async function checkPackage(folder, tarballs) {
  const tarball = await pack(folder, tarballs);
  const verdicts = await Promise.allSettled([
    tool('publint/src/cli.js', ['run', tarball, '--strict']),
    tool('@arethetypeswrong/cli/dist/index.js', [tarball, '--profile', 'esm-only', '--no-emoji', '--format', 'ascii']),
  ]);
  return verdicts.flatMap(({ status, reason }) => (status === 'rejected' ? [`${folder}:\n${reason.message}`] : []));
}
