import { describe, expect, it } from 'vitest';
import { LONG, begin, numbersOf } from './task-events-harness.ts';
import type { SuiteBus, SuiteOptions, TaskEventsHarness } from './task-events-harness.ts';

/** Who is answered what, and what is left of it. */
export function testTaskEventConnections<Bus extends SuiteBus>(harness: TaskEventsHarness<Bus>): void {
  describe('and their connections', () => {
    const start = (options?: SuiteOptions) => begin(harness, options);

    it('of a finished task are 404, unless something is left for who comes back: then it, and 204', async () => {
      const { publish, raw, ask, refusal, url, run_id } = await start();
      const first = await raw();
      publish();
      publish('workflow_complete');
      await expect.poll(() => first.isEnded, LONG).toBe(true);
      await refusal(404, 'SPANLEDGER_UNKNOWN_TASK');
      const rest = await ask(url, { headers: { 'last-event-id': `${run_id}:1` } });
      expect(await rest.text()).toMatch(
        new RegExp(`^retry: .*\n\nid: ${run_id}:2\nevent: workflow_complete\ndata: .*\n\n$`),
      );
      const none = await ask(url, { headers: { 'last-event-id': `${run_id}:2` } });
      expect([none.status, await none.text()]).toEqual([204, '']);
    });

    it.each(['session_id=', 'client_request_id=', 'chunks=yes', 'session_id=a&session_id=b'])(
      'are not to be had with %s',
      async (query) => {
        const { url, bus, refusal } = await start();
        await refusal(400, 'SPANLEDGER_VALUE', `${url}?${query}`);
        expect(bus.wants('tool_exec')).toBe(false);
      },
    );

    it.each([
      ['the id of the task', (id: string) => id],
      ['session_id', (id: string) => `t?session_id=${id}`],
      ['client_request_id', (id: string) => `t?client_request_id=${id}`],
    ])('of an id that no event can have are 400: %s is longer than 256', async (name, target) => {
      const { server, bus, refusal, ask } = await start();
      const urlFor = (length: number) => `${server.url}/events/${target('x'.repeat(length))}`;
      expect(await refusal(400, 'SPANLEDGER_VALUE', urlFor(257))).toBe(
        `${name} must be a string of 1 to 256 UTF-16 units`,
      );
      expect(bus.wants('tool_exec')).toBe(false);
      expect((await ask(urlFor(256), { method: 'HEAD' })).status).toBe(200);
    });

    it('are for so many clients; one more is told to come later', async () => {
      const { url, raw, ask, refusal } = await start({ clientsMax: 1 });
      const first = await raw();
      await refusal(503, 'SPANLEDGER_BUS_FULL');
      first.socket.destroy();
      await expect.poll(async () => (await ask(url, { method: 'HEAD' })).status, LONG).toBe(200);
      await raw();
    });

    it('end when the bus is closed, and whoever comes then is told to come later', async () => {
      const { bus, publish, listen, raw, url, refusal } = await start();
      const [page, plain] = [await listen(), await raw()];
      publish();
      bus.close();
      await expect.poll(() => plain.isEnded, LONG).toBe(true);
      await expect.poll(() => page.failures, LONG).toBeGreaterThan(0);
      expect(numbersOf(page)).toEqual([1]);
      await refusal(503, 'SPANLEDGER_BUS_CLOSED');
      await refusal(503, 'SPANLEDGER_BUS_CLOSED', url, { 'last-event-id': page.heard[0]!.id });
    });

    it('end when they are closed themselves; the bus is open for others', async () => {
      const { bus, publish, server, raw, refusal } = await start();
      const plain = await raw();
      publish();
      await expect.poll(() => plain.data.length, LONG).toBe(1);
      server.closeEvents();
      server.closeEvents();
      await expect.poll(() => plain.isEnded, LONG).toBe(true);
      await refusal(503, 'SPANLEDGER_BUS_CLOSED');
      expect(bus.wants('tool_exec')).toBe(false);
      expect(bus.wants('workflow_complete')).toBe(true);
    });

    it('are answered to HEAD without listening', async () => {
      const { bus, publish, ask, url } = await start();
      const head = await ask(url, { method: 'HEAD' });
      expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([
        200,
        'text/event-stream',
        '',
      ]);
      expect(bus.wants('tool_exec')).toBe(false);
      publish('workflow_complete');
      expect((await ask(url, { method: 'HEAD' })).status).toBe(404);
    });

    it('have a heartbeat where nothing happens', async () => {
      const { raw } = await start({ heartbeatMs: 100 });
      const quiet = await raw();
      await expect.poll(() => quiet.text.match(/\n:\n\n/g)?.length, LONG).toBeGreaterThan(2);
    });

    it('leave no subscription behind, whatever becomes of 1,000 clients', async () => {
      const { bus, publish, raw, open } = await start({ graceMs: 100 });
      const patient = await raw();
      for (let round = 0; round < 10; round += 1) {
        const clients = Array.from({ length: 100 }, (_, n) => open(n % 3 === 0 ? { 'last-event-id': 'x:1' } : {}));
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
  });
}
