import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import type { AuditEvent } from '@spanledger/protocol';
import { describe, expect, it, onTestFinished } from 'vitest';
import { EventStream } from './event-stream.ts';
import { RawStream } from './raw-stream.ts';

/** What the suite needs of an event bus. */
export interface SuiteBus {
  publish(event: Partial<AuditEvent> & { readonly event: string }): unknown;
  /** Whether anybody listens. */
  wants(event: string): boolean;
  close(): void;
}

/** A server with the events of tasks at `/events/:taskId`. */
export interface TaskEventsServer {
  /** `http://host:port` */
  readonly url: string;
  /** Ends its responses, without the bus. */
  closeEvents(): void;
  /** Breaks all connections off. */
  cut(): void;
  close(): Promise<unknown>;
}

export interface TaskEventsHarness<Bus extends SuiteBus> {
  newBus(): Bus;
  start(options: { readonly bus: Bus } & SuiteOptions): Promise<TaskEventsServer>;
}

export interface SuiteOptions {
  readonly eventsMax?: number;
  readonly clientsMax?: number;
  readonly graceMs?: number;
  readonly heartbeatMs?: number;
  readonly retryMs?: number;
}

const NAMES = ['tool_exec', 'llm_call', 'request.text_chunk', 'workflow_complete'];
const LONG = { timeout: 30_000, interval: 5 };

/** The bridge from an event bus to Server-Sent Events, as tests on a real server with real clients. Call it at the top level of a test file. */
export function testTaskEvents<Bus extends SuiteBus>(name: string, harness: TaskEventsHarness<Bus>): void {
  describe(`the events of a task on ${name}`, () => {
    async function begin(options: SuiteOptions = {}) {
      const bus = harness.newBus();
      const server = await harness.start({ bus, ...options });
      onTestFinished(async () => {
        bus.close();
        server.cut();
        await server.close();
      });
      const taskId = randomUUID();
      const url = `${server.url}/events/${taskId}`;
      const run_id = randomUUID();
      let seq = 0;
      return {
        ...{ bus, server, taskId, url, run_id },
        /** One numbered event of the task. */
        publish: (event = 'tool_exec', rest: object = {}) =>
          bus.publish({ event, task_id: taskId, run_id, seq: (seq += 1), ...rest }),
        listen: async (query = ''): Promise<EventStream> => {
          const stream = new EventStream(url + query, NAMES);
          onTestFinished(() => stream.close());
          await expect.poll(() => stream.isOpen, LONG).toBe(true);
          return stream;
        },
        raw: async (headers?: Record<string, string>, version?: string, query = ''): Promise<RawStream> => {
          const stream = new RawStream(url + query, headers, version);
          onTestFinished(() => void stream.socket.destroy());
          await expect.poll(() => stream.text, LONG).toContain('\r\n\r\n');
          return stream;
        },
      };
    }
    const numbersOf = (stream: EventStream): unknown[] => stream.heard.map(({ data }) => data['seq'] ?? 'lagged');

    it('come with id, name and JSON, and end with the terminal event: the page stops for good', async () => {
      const { publish, listen, run_id, taskId } = await begin({ retryMs: 100 });
      const page = await listen();
      publish('llm_call', { fields: { text: 'two\nlines\r\u2028' } });
      publish('workflow_complete');
      await expect.poll(() => page.isClosed, LONG).toBe(true);
      expect(page.heard).toEqual([
        {
          name: 'llm_call',
          id: `${run_id}:1`,
          data: { event: 'llm_call', task_id: taskId, run_id, seq: 1, fields: { text: 'two\nlines\r\u2028' } },
        },
        {
          name: 'workflow_complete',
          id: `${run_id}:2`,
          data: { event: 'workflow_complete', task_id: taskId, run_id, seq: 2 },
        },
      ]);
      // Once ended, and once answered 204.
      expect([page.connects, page.failures]).toEqual([1, 2]);
    });

    it('have headers that nothing in between keeps back, at once', async () => {
      const { raw } = await begin({ retryMs: 1_234 });
      const stream = await raw({ 'accept-encoding': 'gzip, br' });
      const { head } = stream;
      expect(head).toContain('http/1.1 200');
      expect(head).toMatch(/^content-type: text\/event-stream/m);
      expect(head).toMatch(/^cache-control: no-cache, no-transform$/m);
      expect(head).toMatch(/^x-accel-buffering: no$/m);
      expect(head).toMatch(/^connection: keep-alive$/m);
      expect(head).not.toMatch(/^content-(length|encoding)/m);
      await expect.poll(() => stream.text, LONG).toContain('retry: 1234\n\n');
    });

    it('go on where a connection broke, without gap or double, and are live again', async () => {
      const { publish, listen, server } = await begin({ retryMs: 100 });
      const page = await listen();
      const count = 60;
      for (let n = 1; n <= count; n += 1) {
        publish();
        if (n % 20 !== 0) continue;
        server.cut();
        publish('llm_call');
        await expect.poll(() => page.connects, LONG).toBe(1 + n / 20);
      }
      publish('workflow_complete');
      await expect.poll(() => page.isClosed, LONG).toBe(true);
      expect(numbersOf(page)).toEqual(Array.from({ length: count + count / 20 + 1 }, (_, n) => n + 1));
    });

    it('chunks have a place too: they are neither lost nor doubled when the connection breaks', async () => {
      const { bus, publish, listen, server, taskId } = await begin({ retryMs: 100 });
      const page = await listen('?chunks=1');
      const chunk = (n: number) => bus.publish({ event: 'request.text_chunk', task_id: taskId, fields: { n } });
      publish();
      chunk(1);
      chunk(2);
      await expect.poll(() => page.heard.length, LONG).toBe(3);
      server.cut();
      chunk(3);
      publish('workflow_complete');
      await expect.poll(() => page.isClosed, LONG).toBe(true);
      expect(page.heard.map(({ data }) => data['seq'] ?? (data['fields'] as { n: number }).n)).toEqual([1, 1, 2, 3, 2]);
    });

    it('are filtered for each client', async () => {
      const { publish, listen, bus, taskId } = await begin({ retryMs: 100 });
      const [all, mine] = [await listen('?chunks=true'), await listen('?session_id=s&client_request_id=c')];
      publish('tool_exec', { session_id: 's', client_request_id: 'c' });
      publish('tool_exec', { session_id: 's' });
      publish('tool_exec', { session_id: 't', client_request_id: 'c' });
      bus.publish({ event: 'request.text_chunk', task_id: taskId, session_id: 's', client_request_id: 'c' });
      publish('workflow_complete');
      await expect.poll(() => all.isClosed && mine.isClosed, LONG).toBe(true);
      expect(numbersOf(mine)).toEqual([1, 4]);
      expect(numbersOf(all)).toEqual([1, 2, 3, 'lagged', 4]);
      expect(all.heard[3]?.name).toBe('request.text_chunk');
    });

    it('say that some are missing, where a client was away for too long, or knows what nobody knows', async () => {
      const { publish, raw, run_id } = await begin({ eventsMax: 4 });
      const held = await raw({ connection: 'close' });
      for (let n = 0; n < 10; n += 1) {
        publish();
        await new Promise((resolve) => setImmediate(resolve));
      }
      publish('workflow_complete');
      await held.closed;
      const back = async (id: string) => {
        const stream = await raw({ 'last-event-id': id, connection: 'close' });
        await stream.closed;
        return stream.data.map(({ type, seq, dropped }) => (type === 'lagged' ? ['lagged', dropped] : seq));
      };
      expect(await back(`${run_id}:9`)).toEqual([10, 11]);
      const gap = [['lagged', undefined], 8, 9, 10, 11];
      expect(await back(`${run_id}:2`)).toEqual(gap);
      expect(await back('nothing of ours')).toEqual(gap);
    });

    it('that a slow client cannot take are counted for it, and held for nobody else', async () => {
      const { publish, raw, listen } = await begin({ eventsMax: 16, retryMs: 100 });
      const slow = await raw();
      const quick = await listen();
      slow.socket.pause();
      const payload = 'x'.repeat(60_000);
      const count = 600;
      for (let n = 1; n < count; n += 1) {
        publish('tool_exec', { fields: { payload } });
        await expect.poll(() => quick.heard.length, LONG).toBe(n);
      }
      publish('workflow_complete');
      await expect.poll(() => quick.isClosed, LONG).toBe(true);
      expect(numbersOf(quick)).toEqual(Array.from({ length: count }, (_, n) => n + 1));
      slow.socket.resume();
      await expect.poll(() => slow.data.at(-1)?.['event'], LONG).toBe('workflow_complete');
      const lagged = slow.data.filter(({ type }) => type === 'lagged');
      const events = slow.data.filter(({ type }) => type !== 'lagged');
      expect(lagged.length).toBeGreaterThan(0);
      expect(events.length + Number(lagged.at(-1)?.['dropped'])).toBe(count);
      const seqs = events.map(({ seq }) => Number(seq));
      expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    });

    it('of a finished task are 404, unless something is left for who comes back: then it, and 204', async () => {
      const { publish, raw, url, run_id } = await begin();
      const first = await raw();
      publish();
      publish('workflow_complete');
      await expect.poll(() => first.text, LONG).toContain('0\r\n\r\n');
      await expectRefusal(url, {}, 404, 'SPANLEDGER_UNKNOWN_TASK');
      const rest = await fetch(url, { headers: { 'last-event-id': `${run_id}:1` } });
      expect(await rest.text()).toMatch(
        new RegExp(`^retry: .*\n\nid: ${run_id}:2\nevent: workflow_complete\ndata: .*\n\n$`),
      );
      const none = await fetch(url, { headers: { 'last-event-id': `${run_id}:2` } });
      expect([none.status, await none.text()]).toEqual([204, '']);
    });

    it.each(['session_id=', 'client_request_id=', 'chunks=yes', 'session_id=a&session_id=b'])(
      'are not to be had with %s',
      async (query) => {
        const { url, bus } = await begin();
        await expectRefusal(`${url}?${query}`, {}, 400, 'SPANLEDGER_VALUE');
        expect(bus.wants('tool_exec')).toBe(false);
      },
    );

    it('of an id that cannot be are 400', async () => {
      const { server } = await begin();
      await expectRefusal(`${server.url}/events/${'x'.repeat(600)}`, {}, 400, 'SPANLEDGER_VALUE');
      await expectRefusal(`${server.url}/events/t?session_id=${'x'.repeat(600)}`, {}, 400, 'SPANLEDGER_VALUE');
    });

    it('are for so many clients; one more is told to come later', async () => {
      const { url, raw } = await begin({ clientsMax: 1 });
      const first = await raw();
      await expectRefusal(url, {}, 503, 'SPANLEDGER_BUS_FULL');
      first.socket.destroy();
      await expect.poll(async () => (await fetch(url, { method: 'HEAD' })).status, LONG).toBe(200);
      await raw();
    });

    it('end when the bus is closed, and whoever comes then is told to come later', async () => {
      const { bus, publish, listen, raw, url } = await begin();
      const [page, plain] = [await listen(), await raw()];
      publish();
      bus.close();
      await expect.poll(() => plain.text, LONG).toContain('0\r\n\r\n');
      await expect.poll(() => page.failures, LONG).toBeGreaterThan(0);
      expect(numbersOf(page)).toEqual([1]);
      await expectRefusal(url, {}, 503, 'SPANLEDGER_BUS_CLOSED');
      await expectRefusal(url, { 'last-event-id': page.heard[0]!.id }, 503, 'SPANLEDGER_BUS_CLOSED');
    });

    it('end when they are closed themselves; the bus is open for others', async () => {
      const { bus, publish, server, raw, url } = await begin();
      const plain = await raw();
      publish();
      await expect.poll(() => plain.data.length, LONG).toBe(1);
      server.closeEvents();
      server.closeEvents();
      await expect.poll(() => plain.text, LONG).toContain('0\r\n\r\n');
      await expectRefusal(url, {}, 503, 'SPANLEDGER_BUS_CLOSED');
      expect(bus.wants('tool_exec')).toBe(false);
      expect(bus.wants('workflow_complete')).toBe(true);
    });

    it('are answered to HEAD without listening', async () => {
      const { bus, publish, url } = await begin();
      const head = await fetch(url, { method: 'HEAD' });
      expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([
        200,
        'text/event-stream',
        '',
      ]);
      expect(bus.wants('tool_exec')).toBe(false);
      publish('workflow_complete');
      expect((await fetch(url, { method: 'HEAD' })).status).toBe(404);
    });

    it('have a heartbeat where nothing happens', async () => {
      const { raw } = await begin({ heartbeatMs: 100 });
      const quiet = await raw();
      await expect.poll(() => quiet.text.match(/\n:\n\n/g)?.length, LONG).toBeGreaterThan(2);
    });

    it('leave a connection of HTTP/1.1 for the next request, and close one of HTTP/1.0', async () => {
      const { publish, url, raw } = await begin();
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      onTestFinished(() => agent.destroy());
      const get = async (): Promise<[http.ClientRequest, Promise<string>]> => {
        const request = http.get(url, { agent });
        const response = await new Promise<http.IncomingMessage>((resolve) => request.once('response', resolve));
        return [request, text(response)];
      };
      const [, body] = await get();
      const old = await raw({}, '1.0');
      expect(old.head).not.toContain('chunked');
      publish('workflow_complete');
      expect(await body).toContain('workflow_complete');
      await old.closed;
      expect(old.text).toContain('workflow_complete');
      const [again] = await get();
      expect(again.reusedSocket).toBe(true);
    });

    it('leave no subscription behind, whatever becomes of 1,000 clients', async () => {
      const { bus, publish, raw, url } = await begin({ graceMs: 100 });
      const patient = await raw();
      for (let round = 0; round < 10; round += 1) {
        const clients = Array.from(
          { length: 100 },
          (_, n) => new RawStream(url, n % 3 === 0 ? { 'last-event-id': 'x:1' } : {}),
        );
        for (const [n, client] of clients.entries()) {
          if (n % 4 === 0) client.socket.destroy();
          else if (n % 4 === 1) client.socket.end();
          else if (n % 4 === 2) await expect.poll(() => client.text, LONG).toContain('retry');
        }
        publish();
        for (const client of clients) client.socket.destroy();
        await Promise.all(clients.map(({ closed }) => closed));
      }
      await expect.poll(() => patient.data.length, LONG).toBe(10);
      expect(bus.wants('tool_exec')).toBe(true);
      patient.socket.destroy();
      await expect.poll(() => bus.wants('tool_exec'), LONG).toBe(false);
    });

    it('leave none behind of a request that waits behind another one on its connection', async () => {
      const { bus, server } = await begin({ graceMs: 100 });
      const path = `/events/${randomUUID()}`;
      const stream = new RawStream(server.url + path);
      stream.socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
      await expect.poll(() => stream.text, LONG).toContain('retry');
      expect(bus.wants('tool_exec')).toBe(true);
      stream.socket.destroy();
      await expect.poll(() => bus.wants('tool_exec'), LONG).toBe(false);
    });
  });
}

async function expectRefusal(
  url: string,
  headers: Record<string, string>,
  status: number,
  code: string,
): Promise<void> {
  const response = await fetch(url, { headers });
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
  expect(response.headers.get('cache-control')).toBe('no-store');
  expect(response.headers.has('retry-after')).toBe(status === 503);
  expect(await response.json()).toEqual({
    statusCode: status,
    code,
    error: expect.any(String),
    message: expect.any(String),
  });
}
