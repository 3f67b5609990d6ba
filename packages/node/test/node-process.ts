import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { expect, onTestFinished } from 'vitest';

const PACKAGE_DIR = path.resolve(import.meta.dirname, '..');
const REGISTER = path.join(PACKAGE_DIR, 'dist/register.js');

const fixture = (name: string): string => path.join(PACKAGE_DIR, 'test/fixtures', name);

function preloadOf(load: string): string {
  if (load === 'register') return REGISTER;
  return load.startsWith('@') ? load : fixture(load);
}

export interface NodeProcessOptions {
  /** Loaded before the script: `register` of the build, a fixture, or the name of a package. */
  readonly load?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** A real Node process with the built packages, as a user runs them. Killed at the end of the test. */
export class NodeProcess {
  stdout = '';
  stderr = '';
  readonly child: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(script: string, { load, env = {}, cwd = PACKAGE_DIR }: NodeProcessOptions = {}) {
    if (!existsSync(REGISTER)) throw new Error('the packages are not built: npm run build');
    const preload = load === undefined ? [] : ['--import', preloadOf(load)];
    const clean = Object.fromEntries(
      Object.entries(process.env).filter(([key]) => !/^(OTEL|SPANLEDGER|NODE|VITEST)/.test(key)),
    );
    this.child = spawn(process.execPath, [...preload, fixture(script)], {
      cwd,
      env: { ...clean, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout!.on('data', (chunk) => (this.stdout += chunk));
    this.child.stderr!.on('data', (chunk) => (this.stderr += chunk));
    this.#ended = once(this.child, 'close');
    onTestFinished(() => void this.child.kill('SIGKILL'));
  }

  /** Waits for a line of standard output. @returns what the pattern's group caught. */
  async says(pattern: RegExp): Promise<string> {
    await expect
      .poll(() => this.stdout, { timeout: 20_000, message: `says ${pattern}; it said: ${this.stderr}` })
      .toMatch(pattern);
    return pattern.exec(this.stdout)?.[1] ?? '';
  }

  /** Waits for the end. */
  async ended(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    await this.#ended;
    return { code: this.child.exitCode, signal: this.child.signalCode };
  }
}
