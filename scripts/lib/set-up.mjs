// Brings everything that a fresh checkout lacks, given Node and npm. Where nothing has changed it needs no network.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { findNatsServer } from '../../packages/testkit/src/nats-server-binary.mjs';
import { onInterrupt } from './processes.mjs';
import { command, ROOT, stepRunner, StepFailed, tool } from './steps.mjs';

const CACHE = path.join(ROOT, '.cache');
const PNPM_DIR = path.join(CACHE, 'pnpm');
const INSTALL_STAMP = path.join(CACHE, 'install-stamp');

/**
 * @param {NodeJS.WritableStream} out where progress is told
 * @returns {Promise<void>}
 */
export async function setUp(out) {
  const step = stepRunner(out);
  await step('pnpm', bringPnpm);
  await step('dependencies', installDependencies);
  await step('build', () => tool('typescript/bin/tsc', ['-b', 'tsconfig.build.json']));
}

/** Finds or fetches a nats-server (`version`: a release line such as `2.9`) and names it in the environment. */
export async function bringNatsServer(out, version) {
  const binary = await stepRunner(out)('nats-server', async (note) => {
    const abort = new AbortController();
    const search = findNatsServer({ version, log: note, signal: abort.signal });
    onInterrupt(() => {
      abort.abort();
      return search.catch(() => {});
    });
    const found = await search.catch((error) => {
      throw new StepFailed(error.message);
    });
    note(found.version);
    return found;
  });
  process.env['SPANLEDGER_NATS_SERVER_BIN'] = binary.path;
}

/** Runs pnpm in the version that package.json names, whatever is installed on this machine. */
export function pnpm(args, options) {
  return command(process.execPath, [path.join(PNPM_DIR, 'node_modules/pnpm/bin/pnpm.cjs'), ...args], options);
}

async function bringPnpm(note) {
  const wanted = (await readManifest('package.json')).packageManager;
  const manifest = path.join(PNPM_DIR, 'node_modules/pnpm/package.json');
  if (existsSync(manifest) && wanted === `pnpm@${JSON.parse(await readFile(manifest, 'utf8')).version}`) return;
  note(`installing ${wanted}`);
  await mkdir(PNPM_DIR, { recursive: true });
  await command('npm', ['install', '--prefix', PNPM_DIR, '--no-audit', '--no-fund', '--no-save', wanted]);
}

async function installDependencies(note) {
  const stamp = await manifestsHash();
  const isInstalled = existsSync(path.join(ROOT, 'node_modules/.modules.yaml'));
  if (isInstalled && (await readFile(INSTALL_STAMP, 'utf8').catch(() => '')) === stamp) return;
  note('installing');
  // Under NODE_ENV=production pnpm would leave out every tool.
  await pnpm(['install', '--frozen-lockfile'], { env: { ...process.env, NODE_ENV: 'development', CI: 'true' } });
  await writeFile(INSTALL_STAMP, stamp);
}

/** Everything that decides what is installed. */
async function manifestsHash() {
  const hash = createHash('sha256').update(`${process.version} ${process.platform} ${process.arch}`);
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', ...(await projectManifests())]) {
    hash.update(`\n${file}\n`).update(await readFile(path.join(ROOT, file)));
  }
  return hash.digest('hex');
}

/** The manifests of all workspace projects, at the places that pnpm-workspace.yaml names. */
async function projectManifests() {
  const folders = ['test', 'bench'];
  for (const parent of ['packages', 'examples']) {
    const names = await readdir(path.join(ROOT, parent)).catch(() => []);
    folders.push(...names.sort().map((name) => `${parent}/${name}`));
  }
  return folders.map((folder) => `${folder}/package.json`).filter((file) => existsSync(path.join(ROOT, file)));
}

export async function readManifest(file) {
  return JSON.parse(await readFile(path.join(ROOT, file), 'utf8'));
}
