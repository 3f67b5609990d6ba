import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RawStream } from './raw-stream.ts';
import { LONG, begin, expectRefusal, numbersOf } from './task-events-harness.ts';
import type { SuiteBus, SuiteOptions, TaskEventsHarness } from './task-events-harness.ts';

/** Who is answered what, and what is left of it. */
export function testTaskEventConnections<Bus extends SuiteBus>(harness: TaskEventsHarness<Bus>): void {
  describe('and their connections', () => {
    const start = (options?: SuiteOptions) => begin(harness, options);

    it('of a finished task are 404, unless something is left for who comes back: then it, and 204', async () => {
      const { publish, raw, url, run_id } = await start();
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
        const { url, bus } = await start();
        await expectRefusal(`${url}?${query}`, {}, 400, 'SPANLEDGER_VALUE');
        expect(bus.wants('tool_exec')).toBe(false);
      },
    );

    it('of an id that cannot be are 400', async () => {
      const { server, bus } = await start();
      await expectRefusal(`${server.url}/events/${'x'.repeat(600)}`, {}, 400, 'SPANLEDGER_VALUE');
      await expectRefusal(`${server.url}/events/t?session_id=${'x'.repeat(600)}`, {}, 400, 'SPANLEDGER_VALUE');
      expect(bus.wants('tool_exec')).toBe(false);
    });

    it('are for so many clients; one more is told to come later', async () => {
      const { url, raw } = await start({ clientsMax: 1 });
      const first = await raw();
      await expectRefusal(url, {}, 503, 'SPANLEDGER_BUS_FULL');
      first.socket.destroy();
      await expect.poll(async () => (await fetch(url, { method: 'HEAD' })).status, LONG).toBe(200);
      await raw();
    });

    it('end when the bus is closed, and whoever comes then is told to come later', async () => {
      const { bus, publish, listen, raw, url } = await start();
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
      const { bus, publish, server, raw, url } = await start();
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
      const { bus, publish, url } = await start();
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
      const { raw } = await start({ heartbeatMs: 100 });
      const quiet = await raw();
      await expect.poll(() => quiet.text.match(/\n:\n\n/g)?.length, LONG).toBeGreaterThan(2);
    });

    it('leave a connection of HTTP/1.1 for the next request, and close one of HTTP/1.0', async () => {
      const { publish, url, raw } = await start();
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
      const { bus, publish, raw, url } = await start({ graceMs: 100 });
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
      const { bus, server } = await start({ graceMs: 100 });
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
