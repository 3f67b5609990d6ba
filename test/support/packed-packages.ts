import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, readdir, realpath, symlink } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = path.resolve(import.meta.dirname, '../..');
const PNPM = path.join(ROOT, '.cache/pnpm/node_modules/pnpm/bin/pnpm.cjs');

interface Manifest {
  readonly name: string;
  readonly private?: boolean;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
}

/**
 * Installs all public packages from their tarballs, and an application, into `folder`. Needs no network, and is stricter than
 * npm: a package reaches what its own tarball declares, and nothing else. Third-party packages are those of the workspace.
 */
export async function installPacked(folder: string, app: string, appDependencies: readonly string[]): Promise<void> {
  if (!existsSync(PNPM)) throw new Error('pnpm is missing: run `npm test` once');
  await mkdir(path.join(folder, 'tarballs'), { recursive: true });
  const names = await publicPackages();
  await Promise.all(names.map((name) => unpack(name, folder)));
  for (const name of names) await linkDependencies(name, folder);

  await cp(app, folder, { recursive: true });
  for (const name of names) {
    const installed = placeOf(name, folder);
    await link(installed, path.join(folder, 'node_modules', (await readManifest(installed)).name));
  }
  for (const name of appDependencies) {
    await link(path.join(ROOT, 'test/node_modules', name), path.join(folder, 'node_modules', name));
  }
}

async function publicPackages(): Promise<string[]> {
  const names = await readdir(path.join(ROOT, 'packages'));
  const manifests = await Promise.all(names.map((name) => readManifest(path.join(ROOT, 'packages', name))));
  return names.filter((_, i) => !manifests[i]!.private);
}

async function unpack(name: string, folder: string): Promise<void> {
  const args = [PNPM, 'pack', '--json', '--pack-destination', path.join(folder, 'tarballs')];
  const { stdout } = await run(process.execPath, args, { cwd: path.join(ROOT, 'packages', name) });
  const { filename } = JSON.parse(stdout.slice(stdout.indexOf('{'))) as { filename: string };
  await mkdir(placeOf(name, folder), { recursive: true });
  await run('tar', ['-xzf', filename, '-C', placeOf(name, folder), '--strip-components=1']);
}

/** Beside the package, where it alone finds them. */
async function linkDependencies(name: string, folder: string): Promise<void> {
  const { dependencies, peerDependencies } = await readManifest(placeOf(name, folder));
  for (const [dependency, version] of Object.entries({ ...dependencies, ...peerDependencies })) {
    if (version.startsWith('workspace:')) throw new Error(`${name} was packed with ${dependency}@${version}`);
    const ours = /^@spanledger\/(.+)$/.exec(dependency)?.[1];
    const workspace = path.join(ROOT, 'packages', name, 'node_modules', dependency);
    if (ours === undefined && !existsSync(workspace)) continue; // An optional peer.
    await link(
      ours === undefined ? workspace : placeOf(ours, folder),
      path.join(folder, 'installed', name, 'node_modules', dependency),
    );
  }
}

function placeOf(name: string, folder: string): string {
  return path.join(folder, 'installed', name, 'node_modules/@spanledger', name);
}

async function link(target: string, place: string): Promise<void> {
  await mkdir(path.dirname(place), { recursive: true });
  await symlink(await realpath(target), place);
}

async function readManifest(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as Manifest;
}
