import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isTerminalEvent, parseEvent } from '@spanledger/protocol';
import type { AuditEvent } from '@spanledger/protocol';
import { checkCheckpoints } from './independent-checkpoints.ts';
import { assertLedger, readNdjson } from './independent-reader.ts';
import type { RunCheck } from './independent-reader.ts';
import { isLedgersOwn } from './own-run.ts';

const DEADLINE_MS = 120_000;
const POLL_MS = 20;
const EVENTS_FILE = 'events.ndjson';

export interface HttpServiceOptions {
  /** The application: sends `{ port }` to its parent when it listens, and ends when it is told `'stop'`. */
  readonly script: string;
  /** Loaded before it (`--import`): telemetry that writes its ledger to the file named in `EVENTS_FILE`. */
  readonly setup?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A service in a process of its own, with its ledger in a temporary file. It ends with this process. */
export class HttpService {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #dir: string;
  readonly #stderr: () => string;

  private constructor(child: ChildProcess, dir: string, port: number, stderr: () => string) {
    this.#child = child;
    this.#dir = dir;
    this.port = port;
    this.#stderr = stderr;
  }

  static async start({ script, setup, env }: HttpServiceOptions): Promise<HttpService> {
    const dir = await mkdtemp(path.join(tmpdir(), 'spanledger-service-'));
    const child = fork(script, {
      execArgv: setup === undefined ? [] : ['--import', setup],
      env: { ...process.env, NODE_OPTIONS: '', ...env, EVENTS_FILE: path.join(dir, EVENTS_FILE) },
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => (stderr = (stderr + chunk.toString()).slice(-16_384)));
    const port = await new Promise<number>((resolve, reject) => {
      child.once('message', (message) => resolve((message as { port: number }).port));
      child.once('exit', (code) => reject(new Error(`the service exited with ${code}: ${stderr}`)));
    });
    return new HttpService(child, dir, port, () => stderr);
  }

  /** What the service said on stderr: its last 16 KiB. */
  get stderr(): string {
    return this.#stderr();
  }

  /** Every event written so far, in the order of the file. */
  async events(): Promise<AuditEvent[]> {
    const bytes = await readFile(this.#file).catch(() => Buffer.alloc(0));
    // Whole lines only: the last one may still be on its way.
    const lines = readNdjson(bytes.subarray(0, bytes.lastIndexOf(10) + 1));
    return lines.map((line) => {
      const event = parseEvent(line);
      if (event === undefined) throw new Error(`not an audit event: ${Buffer.from(line).toString()}`);
      return event;
    });
  }

  /** Waits for the run that has an event with this `fields.mark`, until it has ended. @returns its events, in order. */
  async endedRun(mark: string): Promise<AuditEvent[]> {
    return waitFor(`the run of ${mark} to end`, async () => {
      const run = await this.runSoFar(mark);
      return run.some(({ event }) => isTerminalEvent(event)) ? run : undefined;
    });
  }

  /** The events so far of the one run that has an event with this `fields.mark`. Throws if several runs have one. */
  async runSoFar(mark: string): Promise<AuditEvent[]> {
    const events = await this.events();
    const ids = new Set(events.filter(({ fields }) => fields?.['mark'] === mark).map(({ run_id }) => run_id));
    if (ids.size > 1) throw new Error(`${mark} is in ${ids.size} runs`);
    return events.filter(({ run_id }) => ids.has(run_id));
  }

  /**
   * Once it has stopped: checks the whole ledger, byte by byte, and that what it says of itself is true and complete.
   *
   * @returns one entry per run of the application.
   */
  verify(): RunCheck[] {
    const lines = readNdjson(this.#file);
    const problems = checkCheckpoints(lines);
    if (problems.length > 0) throw new Error(`what the ledger says of itself is wrong: ${problems.join('; ')}`);
    return assertLedger(lines).filter((run) => !isLedgersOwn(run));
  }

  /** Stops the service in an orderly way. What it wrote is readable until `dispose`. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.send('stop');
    await exited;
  }

  async dispose(): Promise<void> {
    this.#child.kill('SIGKILL');
    await rm(this.#dir, { recursive: true, force: true });
  }

  get #file(): string {
    return path.join(this.#dir, EVENTS_FILE);
  }
}

/** Polls until `probe` gives something, for at most two minutes. */
async function waitFor<T>(what: string, probe: () => Promise<T | undefined>): Promise<T> {
  for (const deadline = performance.now() + DEADLINE_MS; performance.now() < deadline; await delay(POLL_MS)) {
    const found = await probe();
    if (found !== undefined) return found;
  }
  throw new Error(`waited ${DEADLINE_MS} ms for ${what}`);
}
