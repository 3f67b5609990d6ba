import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { type NatsServer, startNats } from '@spanledger/testkit';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { readLedger } from './support/ledger.ts';
import { waitFor } from './support/wait-for.ts';

const FOLDER = path.resolve(import.meta.dirname, '../examples/research-workflow');
const EXECUTIONS = 9;
const PRODUCERS = ['planner-agent', 'research-agent', 'research-orchestrator', 'writer-agent'];

let nats: NatsServer;
beforeAll(async () => void (nats = await startNats()));
afterAll(() => nats?.close());

it('runs nine executions, and its last line says what both readers find', async () => {
  const demo = new Demo(['--json', '--executions', String(EXECUTIONS)]);
  expect(await demo.saidAll(), `it said: ${demo.stderr}`).toBe(0);
  const result = JSON.parse(demo.stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
  const { report, events } = await readLedger(nats.url);
  expect(Object.entries(result)).toEqual([
    ['execution_id', expect.stringMatching(/^\S{1,128}$/)],
    ['trace_id', expect.stringMatching(/^[0-9a-f]{32}$/)],
    ['events', expect.any(Number)],
    ['runs', expect.any(Number)],
    ['producers', PRODUCERS],
    ['gaps', 0],
    ['duplicates', 0],
    ['conflicts', 0],
    ['chain', 'ok'],
    ['open_runs', 0],
    ['stream', 'AUDIT_EVENTS'],
    ['nats_version', nats.version],
    ['elapsed_ms', expect.any(Number)],
  ]);
  // The whole stream holds one thing more: the requests that started the executions, which were of no workflow yet.
  const inside = events.filter((event) => event.workflow_execution_id !== undefined);
  expect(result['events']).toBe(inside.length);
  expect(result['runs']).toBe(new Set(inside.map((event) => event.run_id)).size);
  expect(new Set(inside.map((event) => event.workflow_execution_id)).size).toBe(EXECUTIONS);
  const first = inside.filter((event) => event.workflow_execution_id === result['execution_id']);
  expect(new Set(first.map((event) => event.trace_id))).toContain(result['trace_id']);
  expect(report).toMatchObject({ openRuns: 0, producers: PRODUCERS });
});

it.each([
  ['the process alone', (pid: number) => process.kill(pid, 'SIGINT')],
  ['its whole group, as a terminal does', (pid: number) => process.kill(-pid, 'SIGINT')],
])('leaves no process behind after Ctrl-C to %s', async (_name, interrupt) => {
  const demo = new Demo(['--executions', '1000']);
  await waitFor(
    () => `the first execution: ${demo.stdout}${demo.stderr}`,
    () => /^executed /m.test(demo.stdout) || undefined,
  );
  const services = await childrenOf(demo.pid);
  expect(services).toHaveLength(4);
  interrupt(demo.pid);
  expect(await demo.ended()).toBe(130);
  expect(services.filter(isRunning)).toEqual([]);
});

/** The demo in a process group of its own. */
class Demo {
  stdout = '';
  stderr = '';
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #closed: Promise<unknown>;

  constructor(args: readonly string[]) {
    this.#child = spawn(process.execPath, ['run.mjs', ...args], {
      cwd: FOLDER,
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        SPANLEDGER_NATS_URL: nats.url,
        SPANLEDGER_JOURNAL_DIR: path.join(nats.dir, randomUUID()),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#child.stdout!.on('data', (chunk) => (this.stdout += chunk));
    this.#child.stderr!.on('data', (chunk) => (this.stderr += chunk));
    this.#ended = once(this.#child, 'exit');
    this.#closed = once(this.#child, 'close');
    onTestFinished(() => endGroup(this.pid));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Of itself alone: what it may leave behind is another matter. */
  async ended(): Promise<number | null> {
    await this.#ended;
    return this.#child.exitCode;
  }

  /** When it has ended, and all that it said has been read, which can be later. */
  async saidAll(): Promise<number | null> {
    await this.#closed;
    return this.#child.exitCode;
  }
}

/** Linux only, as `nats-server` of this repository mostly is. */
async function childrenOf(pid: number): Promise<number[]> {
  const pids = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return pids.split(' ').filter(Boolean).map(Number);
}

/** A failed test leaves nothing behind either. */
function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended, as it should.
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
