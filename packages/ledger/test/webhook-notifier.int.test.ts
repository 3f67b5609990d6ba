import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { notify, webhookNotifier } from '../src/index.ts';
import type { NotificationFailure, NotifyOptions, WebhookBody, WebhookOptions } from '../src/index.ts';
import { TestRun, stored } from './history.ts';

interface Taken {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: WebhookBody;
}

type Answer = (response: ServerResponse) => void;

/** A server that answers as it is told, one answer after the other, and with 204 then. */
class Hook {
  readonly taken: Taken[] = [];
  port = 0;
  readonly #answers: Answer[];
  #server: Server | undefined;

  constructor(...answers: Answer[]) {
    this.#answers = answers;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/hook`;
  }

  async start(): Promise<this> {
    this.#server = createServer((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      request.on('end', () => {
        this.taken.push({ headers: request.headers, text, body: JSON.parse(text) as WebhookBody });
        (this.#answers.shift() ?? ((one) => one.writeHead(204).end()))(response);
      });
    });
    this.#server.listen(this.port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.port = (this.#server.address() as AddressInfo).port;
    onTestFinished(() => this.stop());
    return this;
  }

  stop(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }
}

const status =
  (code: number, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(code, headers).end('no');

async function tell(
  hook: Hook,
  webhook: Partial<WebhookOptions> = {},
  options: NotifyOptions = {},
): Promise<NotificationFailure[]> {
  const failures: NotificationFailure[] = [];
  const run = new TestRun();
  const step = { workflow_execution_id: 'e1', step_id: 'plan', attempt_epoch: 1 };
  const records = stored([run.seal('workflow_step_started', step), run.seal('workflow_step_completed', step)]);
  async function* spaced() {
    yield records[0]!;
    while (hook.taken.length === 0 && failures.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    yield records[1]!;
  }
  const onFailure = (failure: NotificationFailure): void => {
    failures.push(failure);
    options.onFailure?.(failure);
  };
  await notify(spaced(), webhookNotifier({ url: hook.url, ...webhook }), { ...options, onFailure });
  return failures;
}

const brief = ({ taken }: Hook): unknown[] => taken.map(({ body }) => [body.action, body.version, body.message.status]);

describe('webhookNotifier', () => {
  it('posts JSON, signed, with headers, and changes of a message under its id with a higher version', async () => {
    const hook = await new Hook().start();
    expect(await tell(hook, { headers: { Authorization: 'Bearer t' }, secret: 's' })).toEqual([]);
    expect(brief(hook)).toEqual([
      ['created', 1, 'running'],
      ['updated', 2, 'completed'],
    ]);
    const [first, second] = hook.taken as [Taken, Taken];
    expect(first.body).toEqual({
      schema: 'spanledger.notification/1',
      action: 'created',
      version: 1,
      message: {
        id: 'e1.plan',
        executionId: 'e1',
        stepId: 'plan',
        status: 'running',
        attempt: 1,
        producer: 'agent',
        links: [],
        title: 'plan: running',
      },
    });
    expect(second.body.message.id).toBe('e1.plan');
    expect(first.headers).toMatchObject({ authorization: 'Bearer t', 'content-type': 'application/json' });
    for (const { headers, text } of hook.taken) {
      expect(headers['x-spanledger-signature']).toBe(`sha256=${createHmac('sha256', 's').update(text).digest('hex')}`);
      expect(headers['idempotency-key']).toMatch(/^[0-9a-f]{64}$/);
    }
    expect(first.headers['idempotency-key']).not.toBe(second.headers['idempotency-key']);
  });

  it('tries again after 5xx and 429, as it was and under the same key, when it is asked to', async () => {
    const hook = await new Hook(status(503), status(429, { 'Retry-After': '1' })).start();
    const failures = await tell(hook);
    expect(failures.map(({ retryInMs }) => retryInMs! >= 1_000)).toEqual([false, true]);
    expect(brief(hook).slice(0, 3)).toEqual(Array.from({ length: 3 }, () => ['created', 1, 'running']));
    const [one, two, three] = hook.taken.map(({ headers }) => headers['idempotency-key']);
    expect([two, three]).toEqual([one, one]);
    expect(hook.taken.at(-1)!.body).toMatchObject({ action: 'updated', version: 2 });
  });

  it('tries again after a time-out, and over a restart of the server', async () => {
    const hook = await new Hook(() => {}).start();
    const [timeOut] = await tell(hook, { timeoutMs: 300 });
    expect(timeOut?.error).toMatchObject({ name: 'TimeoutError' });
    expect(brief(hook).slice(0, 2)).toEqual(Array.from({ length: 2 }, () => ['created', 1, 'running']));

    const away = await new Hook().start();
    away.stop();
    let isBack: Promise<Hook> | undefined;
    const failures = await tell(away, {}, { onFailure: () => void (isBack ??= away.start()) });
    expect(failures.length).toBeGreaterThan(0);
    expect(away.taken.at(-1)!.body.message.status).toBe('completed');
  });

  it('follows no redirect, and gives up what is refused', async () => {
    const thief = await new Hook().start();
    const hook = await new Hook(status(307, { Location: thief.url }), status(404)).start();
    const failures = await tell(hook, { headers: { Authorization: 'Bearer t' } });
    expect(failures.map(({ error, retryInMs }) => [(error as Error).message, retryInMs])).toEqual([
      ['the webhook answered status 307', undefined],
      ['the webhook answered status 404', undefined],
    ]);
    expect(thief.taken).toEqual([]);
    // What was not there cannot be changed: the next state is a message of its own.
    expect(brief(hook)).toEqual([
      ['created', 1, 'running'],
      ['created', 2, 'completed'],
    ]);
  });

  it('takes URLs only, without credentials in them', () => {
    for (const url of ['file:///etc/passwd', 'x', 'http://user:pass@host/'])
      expect(() => webhookNotifier({ url })).toThrow(expect.objectContaining({ code: 'SPANLEDGER_OPTION' }));
  });
});
