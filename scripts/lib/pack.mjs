import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { pnpm, readManifest } from './set-up.mjs';
import { ROOT } from './steps.mjs';

/** Folders of the packages that we publish, relative to the root. */
export async function publicPackages() {
  const folders = (await readdir(path.join(ROOT, 'packages'))).map((name) => `packages/${name}`);
  const manifests = await Promise.all(folders.map((folder) => readManifest(`${folder}/package.json`)));
  return folders.filter((_, i) => !manifests[i].private);
}

/** Packs one package as it would be published. @returns {Promise<string>} the tarball */
export async function pack(folder, destination) {
  const output = await pnpm(['pack', '--json', '--pack-destination', destination], { cwd: path.join(ROOT, folder) });
  return JSON.parse(output.slice(output.indexOf('{'))).filename;
}
