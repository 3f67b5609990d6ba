import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { SealedEvent } from '@spanledger/protocol';
import { onTestFinished } from 'vitest';
import { sha256 } from '../support.ts';

const PACKAGE_DIR = path.resolve(import.meta.dirname, '../..');

/** An event as the journal sees one. `padding` bytes are added to its JSON. */
export function sealedEvent(seq: number, padding = 0, runId: string = randomUUID()): SealedEvent {
  const bytes = new TextEncoder().encode(JSON.stringify({ seq, run_id: runId, pad: 'é'.repeat(padding / 2) }));
  return { runId, seq, bytes, hash: sha256(bytes), subject: `auditEvent.wf.${runId}.test` };
}

export async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'journal-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** Waits until it is so; the test's own time limit is the deadline. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Whether this machine has a command, and lets us run it. */
export function works(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** A real process with the built package. Killed at the end of the test. `before`: a command to run it under. */
export class JournalProcess {
  stdout = '';
  stderr = '';
  readonly child: ChildProcess;
  readonly ended: Promise<unknown>;

  constructor(fixture: string, args: readonly string[], before: readonly string[] = []) {
    if (!existsSync(path.join(PACKAGE_DIR, 'dist/index.js')))
      throw new Error('the packages are not built: npm run build');
    const script = path.join(PACKAGE_DIR, 'test/fixtures', fixture);
    const [command, ...rest] = [...before, process.execPath, script, ...args];
    this.child = spawn(command!, rest, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.stdout!.on('data', (chunk) => (this.stdout += chunk));
    this.child.stderr!.on('data', (chunk) => (this.stderr += chunk));
    this.ended = once(this.child, 'close');
    // The fixtures end with their standard input: a tracer that is killed leaves what it traced.
    onTestFinished(() => {
      this.child.stdin!.destroy();
      this.child.kill('SIGKILL');
    });
  }

  async says(text: string): Promise<void> {
    await until(() => {
      if (this.child.exitCode !== null) throw new Error(`it ended: ${this.stdout} ${this.stderr}`);
      return this.stdout.includes(text);
    });
  }

  /** Ends it as a crash does. Under a tracer its standard input ends it: only a child of ours is ever killed. */
  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    this.child.stdin!.destroy();
    await this.ended;
  }
}
