// npm run pack: every public package as a tarball, to try them in an application of your own.
import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { main } from './lib/main.mjs';
import { pack, publicPackages } from './lib/pack.mjs';
import { setUp } from './lib/set-up.mjs';
import { ROOT, stepRunner } from './lib/steps.mjs';

const TARBALLS = path.join(ROOT, '.cache/tarballs');

await main(async () => {
  const folders = await publicPackages();
  // The compiler leaves behind what it made of sources that are gone since.
  const leftovers = [TARBALLS, ...folders.map((folder) => path.join(ROOT, folder, 'dist'))];
  await Promise.all(leftovers.map((folder) => rm(folder, { recursive: true, force: true })));
  await setUp(process.stdout);
  await mkdir(TARBALLS, { recursive: true });
  await stepRunner(process.stdout)('pack', () => Promise.all(folders.map((folder) => pack(folder, TARBALLS))));
  console.log(`\nnpm install ${path.relative(process.cwd(), TARBALLS)}/*.tgz`);
  return 0;
});
