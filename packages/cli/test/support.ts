import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connectNats, ensureStream, jetStreamSink } from '@spanledger/jetstream';
import type { StreamOptions } from '@spanledger/jetstream';
import { createChain, encodeSubject, formatTimestamp, seal } from '@spanledger/protocol';
import type { AuditEventDraft, EventSigner, SealedEvent } from '@spanledger/protocol';
import { startNats } from '@spanledger/testkit';
import type { NatsServer, NatsServerOptions } from '@spanledger/testkit';
import { onTestFinished } from 'vitest';

const PACKAGE = path.resolve(import.meta.dirname, '..');
export const BIN = path.join(PACKAGE, 'bin/spanledger.js');

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** That of the tests, without what the command line looks at. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const { SPANLEDGER_NATS_URL: _, NO_COLOR: __, FORCE_COLOR: ___, ...others } = process.env;
  return others;
}

/** The built command line as a process of its own, which ends with the test. */
export class Cli {
  stdout = '';
  stderr = '';
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;

  constructor(args: readonly string[], env: Record<string, string> = {}) {
    if (!existsSync(path.join(PACKAGE, 'dist/index.js'))) throw new Error('the packages are not built: npm run build');
    this.child = spawn(process.execPath, [BIN, ...args], { env: { ...plainEnvironment(), ...env } });
    this.child.stdout!.setEncoding('utf8').on('data', (chunk: string) => (this.stdout += chunk));
    this.child.stderr!.setEncoding('utf8').on('data', (chunk: string) => (this.stderr += chunk));
    // It may end before it has read all that it is given.
    this.child.stdin!.on('error', () => {});
    this.ended = once(this.child, 'close').then(() => this.child.exitCode);
    onTestFinished(() => void this.child.kill('SIGKILL'));
  }

  /** Waits until it has said so. */
  async says(text: string | RegExp, where: 'stdout' | 'stderr' = 'stdout'): Promise<void> {
    await until(() => {
      if (this[where].search(text) !== -1) return true;
      if (this.child.exitCode !== null) throw new Error(`it ended: ${this.stdout} ${this.stderr}`);
      return false;
    });
  }
}

/** Runs a command line to its end. @param input all of its standard input. */
export async function cli(
  args: readonly string[],
  input?: string | Uint8Array,
  env?: Record<string, string>,
): Promise<Run> {
  const run = new Cli(args, env);
  run.child.stdin!.end(input);
  const code = await run.ended;
  return { code, stdout: run.stdout, stderr: run.stderr };
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(10);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export interface RunPlan {
  readonly runId?: string;
  readonly workflow?: string;
  readonly execution?: string | undefined;
  readonly producer?: string;
  readonly signer?: EventSigner;
  readonly events: readonly ({ readonly event: string } & Partial<AuditEventDraft>)[];
}

let clockMs = Date.UTC(2026, 0, 1);

/** One run of sealed events, a second apart. */
export function sealRun({
  runId = randomUUID(),
  workflow = 'wf-1',
  execution,
  producer = 'svc',
  signer,
  events,
}: RunPlan): SealedEvent[] {
  const chain = createChain(runId);
  const ids = execution === undefined ? {} : { workflow_id: workflow, workflow_execution_id: execution };
  const subject = encodeSubject({
    ...(execution !== undefined && { workflowId: workflow, executionId: execution }),
    producer,
  });
  return events.map((more) => {
    clockMs += 1_000;
    const ts = formatTimestamp([Math.floor(clockMs / 1000), 0]);
    return seal(chain, { ts, producer, ...ids, ...more }, subject, sha256, { ...(signer && { signer }) });
  });
}

/** `invocation_started`, `count` tool calls, `invocation_complete`. */
export function plainRun(count: number, plan: Omit<RunPlan, 'events'> = {}): SealedEvent[] {
  const calls = Array.from({ length: count }, (_, index) => ({ event: 'tool_exec', fields: { index } }));
  return sealRun({ ...plan, events: [{ event: 'invocation_started' }, ...calls, { event: 'invocation_complete' }] });
}

/** A server with the stream, and a way to put events on it. */
export interface Ledger {
  readonly server: NatsServer;
  readonly url: string;
  store(events: readonly SealedEvent[], subject?: string): Promise<void>;
  /** Bytes that no sink would send. */
  publish(subject: string, bytes: string | Uint8Array): Promise<void>;
}

/** Closed when the test ends. */
export async function startLedger(options: NatsServerOptions = {}, stream: StreamOptions = {}): Promise<Ledger> {
  const server = await startNats(options);
  const connection = await connectNats({ servers: server.url });
  onTestFinished(async () => {
    await connection.close();
    await server.close();
  });
  await ensureStream(connection, stream);
  return {
    server,
    url: server.url,
    async store(events, subject) {
      const sink = jetStreamSink({ connection, ...(subject !== undefined && { subject }) });
      await Promise.all(events.map((event) => sink.writeEvent(event)));
      await sink.close();
    },
    async publish(subject, bytes) {
      await connection.request(subject, bytes, { timeout: 30_000 });
    },
  };
}

export async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'spanledger-cli-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export function toNdjson(events: readonly SealedEvent[]): Buffer {
  return Buffer.concat(events.flatMap(({ bytes }) => [bytes, Buffer.from('\n')]));
}
