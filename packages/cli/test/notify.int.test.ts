import { once } from 'node:events';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import type { Notification, WebhookBody } from '@spanledger/ledger';
import { describe, expect, it, onTestFinished } from 'vitest';
import { TerminalNotifier } from '../src/notify/terminal-notifier.ts';
import { Terminal } from '../src/terminal/terminal.ts';
import { Screen } from './screen.ts';
import { Cli, cli, newDirectory, sealRun, startLedger, until } from './support.ts';

type Planned = Parameters<typeof sealRun>[0]['events'][number];

const step = (event: string, stepId: string, epoch: number, more: object = {}): Planned => ({
  event,
  step_id: stepId,
  attempt_epoch: epoch,
  ...more,
});

/** A workflow whose step is tried again; its part of the first attempt is not entered by the second. */
function retried(execution: string): ReturnType<typeof sealRun> {
  const rewind = { fields: { step: 'plan', superseded_after_event_id: 'x:1', new_epoch: 2 } };
  const parent = { fields: { parent: { step_id: 'plan', attempt_epoch: 1 } } };
  return sealRun({
    execution,
    producer: 'orchestrator',
    events: [
      { event: 'workflow_started' },
      step('workflow_step_started', 'plan', 1),
      step('workflow_step_started', 'plan/ask', 1, parent),
      step('workflow_step_completed', 'plan/ask', 1),
      step('workflow_step_failed', 'plan', 1, { fields: { status: 'error', error_type: 'TimeoutError' } }),
      step('stream_rewind', 'plan', 2, rewind),
      step('workflow_step_started', 'plan', 2),
      step('workflow_step_completed', 'plan', 2, { duration_ms: 1_500 }),
      { event: 'workflow_complete' },
    ],
  });
}

interface Receiver {
  readonly url: string;
  /** Requests under a key that was not seen before. */
  readonly taken: WebhookBody[];
  readonly keys: string[];
  /** So many more are answered; who comes after them waits until it is killed. */
  answers: number;
  /** How many wait. */
  readonly waiting: () => number;
}

/** It does what the documentation asks of it: a request under a key that it knows is answered again, and does nothing. */
async function startReceiver(): Promise<Receiver> {
  const seen = new Set<string>();
  let waiting = 0;
  const server = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    request.on('end', () => {
      const key = String(request.headers['idempotency-key']);
      receiver.keys.push(key);
      if (!seen.has(key)) receiver.taken.push(JSON.parse(text) as WebhookBody);
      seen.add(key);
      receiver.answers -= 1;
      if (receiver.answers >= 0) response.writeHead(204).end();
      else waiting += 1;
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const receiver: Receiver = { url, taken: [], keys: [], answers: Infinity, waiting: () => waiting };
  return receiver;
}

describe('notify', () => {
  it('tells a webhook each state once, over kills and restarts, and never contradicts itself', async () => {
    const { url, store } = await startLedger();
    const receiver = await startReceiver();
    const state = path.join(await newDirectory(), 'said.ndjson');
    const start = (): Cli => new Cli(['notify', '--webhook', receiver.url, '--state', state, '--server', url]);
    const executions = Array.from({ length: 6 }, (_, index) => `e${index}`);
    let notifying = start();
    await notifying.says('notifying', 'stderr');
    for (const [index, execution] of executions.entries()) {
      const events = retried(execution);
      // Killed while it waits for an answer: to the first call of three at least, to the second, to the third.
      receiver.answers = index % 3;
      const before = receiver.waiting();
      for (const event of events.slice(0, 5)) await store([event]);
      await until(() => receiver.waiting() > before);
      notifying.child.kill('SIGKILL');
      await notifying.ended;
      receiver.answers = Infinity;
      for (const event of events.slice(5)) await store([event]);
      notifying = start();
      await notifying.says('notifying', 'stderr');
    }
    const last = (execution: string, stepId?: string): WebhookBody | undefined =>
      receiver.taken.filter(({ message }) => message.executionId === execution && message.stepId === stepId).at(-1);
    await until(() => executions.every((execution) => last(execution)?.message.status === 'completed'));
    await until(() => executions.every((execution) => last(execution, 'plan')?.message.status === 'completed'));
    notifying.child.kill('SIGTERM');
    expect(await notifying.ended).toBe(0);

    const byId = groupById(receiver.taken);
    for (const bodies of byId.values()) {
      expect(bodies.map(({ action }) => action)).toEqual(bodies.map((_, n) => (n === 0 ? 'created' : 'updated')));
      const versions = bodies.map(({ version }) => version);
      expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
      const attempts = bodies.map(({ message }) => message.attempt ?? 0);
      expect(attempts).toEqual([...attempts].sort((a, b) => a - b));
      // A state that was said is not said again.
      const said = bodies.map(({ message }) => JSON.stringify(message));
      expect(new Set(said).size).toBe(said.length);
    }
    for (const execution of executions) {
      expect(last(execution, 'plan')!.message).toMatchObject({ status: 'completed', attempt: 2 });
      expect([undefined, 'superseded']).toContain(last(execution, 'plan/ask')?.message.status);
    }
    // A third start has nothing to say.
    const calls = receiver.keys.length;
    const idle = start();
    await idle.says('notifying', 'stderr');
    await store(retried('last').slice(0, 1));
    await until(() => last('last') !== undefined);
    expect(receiver.keys.slice(calls)).toHaveLength(1);
  });

  it('prints one execution from its beginning into a pipe, with one correction for each message that a rewind makes stale', async () => {
    const { url, store } = await startLedger();
    const notifying = new Cli(['notify', '-e', 'e1', '--link', 'x=https://x.example/{step}', '--server', url]);
    await notifying.says('notifying', 'stderr');
    for (const event of retried('e1')) {
      const before = notifying.stdout.length;
      await store([event]);
      const isSilent = /workflow_step_started/.test(Buffer.from(event.bytes).toString()) && before > 0;
      if (!isSilent || !notifying.stdout.includes('attempt 2')) await until(() => notifying.stdout.length > before);
    }
    await notifying.says('workflow wf-1: completed');
    notifying.child.kill('SIGINT');
    expect(await notifying.ended).toBe(0);
    const lines = notifying.stdout.trimEnd().split('\n');
    expect(lines.map((line) => line.replaceAll(/ +/g, ' '))).toEqual([
      'running workflow wf-1: running e1 orchestrator',
      'running plan: running e1 orchestrator',
      'running plan/ask: running e1 orchestrator',
      'completed plan/ask: completed e1 orchestrator',
      'failed plan: failed (TimeoutError) e1 orchestrator',
      'running correction: plan: attempt 2 running; attempt 1 superseded e1 orchestrator',
      'superseded correction: plan/ask: attempt 1 superseded e1 orchestrator',
      'completed plan: attempt 2 completed; attempt 1 superseded e1 orchestrator 1.5 s',
      'completed workflow wf-1: completed e1 orchestrator',
    ]);
  });

  it('refuses what it cannot use', async () => {
    const { url } = await startLedger();
    const file = path.join(await newDirectory(), 'state');
    await writeFile(file, '{"event":"x"}\n');
    const refused = [
      ['--webhook', 'ftp://x'],
      ['--state', file],
      ['--link', 'x=javascript:alert(1)'],
      ['--link', 'x'],
    ];
    for (const args of refused) {
      expect(await cli(['notify', ...args, '--server', url])).toMatchObject({ code: 2, stdout: '' });
    }
    expect(await readFile(file, 'utf8')).toBe('{"event":"x"}\n');
  });

  it('takes up a state file whose last line is torn, and none of another channel or stream', async () => {
    const { url, store } = await startLedger();
    const file = path.join(await newDirectory(), 'state');
    const first = new Cli(['notify', '--state', file, '--server', url]);
    await first.says('notifying', 'stderr');
    await store(retried('e1').slice(0, 2));
    await first.says('plan: running');
    const isKept = (line: string): boolean => line.includes('"e1.plan"') && line.includes('"reference":"line"');
    await until(async () => (await readFile(file, 'utf8')).split('\n').slice(0, -1).some(isKept));
    first.child.kill('SIGKILL');
    await first.ended;
    await appendFile(file, '{"set":"e1.plan","mess');
    const second = new Cli(['notify', '--state', file, '--server', url]);
    await second.says('notifying', 'stderr');
    await store(retried('e2').slice(0, 1));
    await second.says('e2');
    expect(second.stdout).not.toContain('plan: running');
    second.child.kill('SIGTERM');
    await second.ended;
    const other = await cli(['notify', '--webhook', 'http://127.0.0.1:1/', '--state', file, '--server', url]);
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('another channel') });
    const { url: anew } = await startLedger();
    const gone = await cli(['notify', '--state', file, '--server', anew]);
    expect(gone).toMatchObject({ code: 2, stderr: expect.stringContaining('another stream') });
  });
});

describe('TerminalNotifier', () => {
  const message = (stepId: string, title: string): Notification => ({
    id: stepId,
    executionId: 'e1',
    stepId,
    status: 'running',
    links: [],
    title,
  });
  const delivery = { idempotencyKey: 'k', version: 1, signal: new AbortController().signal };

  it('draws the line of a message anew while it is on the screen, and says it below after that', async () => {
    const screen = new Screen(60, 4);
    const stdout = Object.assign(new PassThrough(), { isTTY: true, columns: 60, rows: 4 });
    let output = '';
    stdout.setEncoding('utf8').on('data', (chunk: string) => (output += chunk.replaceAll('\n', '\r\n')));
    const seen = async (): Promise<string[]> => {
      await screen.write(output);
      output = '';
      return screen.lines().map((line) => line.replaceAll(/ +/g, ' ').trimEnd());
    };
    const notifier = new TerminalNotifier(new Terminal({ stdin: process.stdin, stdout, stderr: stdout, env: {} }));
    await notifier.post(message('a', 'a: one'));
    await notifier.post(message('b', 'b: one'));
    await notifier.edit!('line', message('a', 'a: two'), delivery);
    expect(await seen()).toEqual(['running a: two e1', 'running b: one e1']);
    await notifier.post(message('c', 'c: one'));
    await notifier.post(message('d', 'd: one'));
    await notifier.edit!('line', message('a', 'a: three'), delivery);
    await notifier.edit!('line', message('d', 'd: two'), delivery);
    const left = [
      'running a: two e1',
      'running b: one e1',
      'running c: one e1',
      'running d: two e1',
      'running a: three e1',
    ];
    expect(await seen()).toEqual(left);
    notifier.lose();
    await notifier.edit!('line', message('d', 'd: three'), delivery);
    expect(await seen()).toEqual([...left, 'running d: three e1']);
  });
});

function groupById(bodies: readonly WebhookBody[]): Map<string, WebhookBody[]> {
  const groups = new Map<string, WebhookBody[]>();
  for (const body of bodies) groups.set(body.message.id, [...(groups.get(body.message.id) ?? []), body]);
  return groups;
}
