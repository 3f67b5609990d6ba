import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished } from 'vitest';

const PACKAGE_DIR = path.resolve(import.meta.dirname, '..');
const REGISTER = path.join(PACKAGE_DIR, 'dist/register.js');

const fixture = (name: string): string => path.join(PACKAGE_DIR, 'test/fixtures', name);

function preloadOf(load: string): string {
  if (load === 'register') return REGISTER;
  return load.startsWith('@') ? load : fixture(load);
}

/** What a container's file system makes every process say; only one test is about it. */
const ON_SHORT_LIVED = /^spanledger: the journal \S+ is on (overlayfs|tmpfs|ramfs) .*\n/gm;

/** A folder of its own for the journals of one process, or of several that follow each other. Removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'spanledger-node-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

export interface NodeProcessOptions {
  /** Loaded before the script: `register` of the build, a fixture (`.cjs` with `--require`), or the name of a package. */
  readonly load?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** SPANLEDGER_JOURNAL_DIR. Default: a folder of its own, because a process publishes what dead ones have left; `null`: not set. */
  readonly journal?: string | null;
}

/** A real Node process with the built packages, as a user runs them. Killed at the end of the test. */
export class NodeProcess {
  stdout = '';
  #stderr = '';
  readonly child: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(script: string, { load, env = {}, cwd = PACKAGE_DIR, journal }: NodeProcessOptions = {}) {
    if (!existsSync(REGISTER)) throw new Error('the packages are not built: npm run build');
    const flag = load?.endsWith('.cjs') ? '--require' : '--import';
    const preload = load === undefined ? [] : [flag, preloadOf(load)];
    const clean = Object.fromEntries(
      Object.entries(process.env).filter(([key]) => !/^(OTEL|SPANLEDGER|NODE|VITEST)/.test(key)),
    );
    const directory = journal === undefined ? temporaryFolder() : journal;
    this.child = spawn(process.execPath, [...preload, fixture(script)], {
      cwd,
      env: { ...clean, ...(directory !== null && { SPANLEDGER_JOURNAL_DIR: directory }), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout!.on('data', (chunk) => (this.stdout += chunk));
    this.child.stderr!.on('data', (chunk) => (this.#stderr += chunk));
    this.#ended = once(this.child, 'close');
    onTestFinished(async () => {
      this.child.kill('SIGKILL');
      await this.#ended;
    });
  }

  get stderr(): string {
    return this.#stderr.replaceAll(ON_SHORT_LIVED, '');
  }

  /** With what it says of the file system that the journal is on. */
  get wholeStderr(): string {
    return this.#stderr;
  }

  /** Waits for a line of standard output. @returns what the pattern's group caught. */
  async says(pattern: RegExp): Promise<string> {
    await expect
      .poll(() => this.stdout, { timeout: 120_000, message: `says ${pattern}; it said: ${this.stderr}` })
      .toMatch(pattern);
    return pattern.exec(this.stdout)?.[1] ?? '';
  }

  /** Waits for the end. */
  async ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    await this.#ended;
    return { code: this.child.exitCode, signal: this.child.signalCode };
  }
}
