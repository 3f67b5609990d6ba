import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { waitFor } from './wait-for.ts';

const FIXTURES = path.resolve(import.meta.dirname, '../fixtures');
const ENDS_WITH_TEST = path.join(FIXTURES, 'ends-with-test.mjs');
/** What every process says where the folder for temporary files is not on a disk. */
const NOT_ON_DISK = /^spanledger: the journal \S+ is on (overlayfs|tmpfs|ramfs) .*\n/gm;

export interface AppOptions {
  /** Loaded before the application, as a user does: a file of the folder, or a package. Default `spanledger.mjs`. */
  readonly load?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly nodeArgs?: readonly string[];
  /** Where the application and what it loads are. Default: `fixtures`. */
  readonly folder?: string;
  /** SPANLEDGER_JOURNAL_DIR. Default: a folder of its own, because a process publishes what others before it have left. */
  readonly journal?: string;
}

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

/** `node --import ./spanledger.mjs app.mjs`: a process of its own, with the built packages. */
export class App {
  stdout = '';
  readonly child: ChildProcess;
  #stderr = '';
  /** Removed with it. */
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'spanledger-app-'));
  readonly #closed: Promise<unknown>;

  constructor(
    script: string,
    { load = 'spanledger.mjs', env = {}, nodeArgs = [], folder = FIXTURES, journal }: AppOptions = {},
  ) {
    // Nothing of the test runner's environment configures the application.
    const inherited = Object.entries(process.env).filter(([key]) => !/^(OTEL|SPANLEDGER|NODE|VITEST)/.test(key));
    this.child = spawn(
      process.execPath,
      [...nodeArgs, '--import', ENDS_WITH_TEST, '--import', load.startsWith('@') ? load : `./${load}`, script],
      {
        cwd: folder,
        env: { ...Object.fromEntries(inherited), SPANLEDGER_JOURNAL_DIR: journal ?? this.#folder, ...env },
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      },
    );
    this.child.stdout!.on('data', (chunk) => (this.stdout += chunk));
    this.child.stderr!.on('data', (chunk) => (this.#stderr = (this.#stderr + chunk).slice(-16_384)));
    this.#closed = once(this.child, 'close');
  }

  /** Starts a service and waits until it listens. */
  static async serve(script: string, options?: AppOptions): Promise<App> {
    const app = new App(script, options);
    await waitFor(
      () => `${script} to listen: ${app.stdout}${app.stderr}`,
      () => {
        if (app.child.exitCode !== null) throw new Error(`${script} exited with ${app.child.exitCode}: ${app.stderr}`);
        return app.#port;
      },
    );
    return app;
  }

  /** Its last 16 KiB, without what depends on this machine. */
  get stderr(): string {
    return this.#stderr.replaceAll(NOT_ON_DISK, '');
  }

  get port(): number {
    return this.#port ?? 0;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async get<T = unknown>(target: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer<T>> {
    // A connection that is kept may just be closing, after a wait for something else.
    const response = await fetch(new URL(target, this.url), { headers: { ...headers, connection: 'close' } });
    return { status: response.status, headers: response.headers, body: (await response.json()) as T };
  }

  /** Waits until the process has ended by itself. @returns its exit code, `null` if a signal ended it. */
  async ended(): Promise<number | null> {
    await this.#closed;
    return this.child.exitCode;
  }

  /** Ends it as an operator does. */
  async stop(): Promise<number | null> {
    this.child.kill('SIGTERM');
    return this.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.#closed;
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  get #port(): number | undefined {
    const port = /^listening on (\d+)$/m.exec(this.stdout)?.[1];
    return port === undefined ? undefined : Number(port);
  }
}
