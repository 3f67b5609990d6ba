import { describe, expect, it } from 'vitest';
import { testTaskEventConnections } from './task-events-connections.ts';
import { testTaskEventsOnHttp1 } from './task-events-http1.ts';
import { LONG, begin, numbersOf } from './task-events-harness.ts';
import type { SuiteBus, SuiteOptions, TaskEventsHarness } from './task-events-harness.ts';

/** The bridge from an event bus to Server-Sent Events, as tests on a real server with real clients. Call it at the top level of a test file. */
export function testTaskEvents<Bus extends SuiteBus>(name: string, harness: TaskEventsHarness<Bus>): void {
  describe(`the events of a task on ${name}`, () => {
    const start = (options?: SuiteOptions) => begin(harness, options);
    testTaskEventConnections(harness);
    if (harness.httpVersion !== 2) testTaskEventsOnHttp1(harness);

    it('come with id, name and JSON, and end with the terminal event: the page stops for good', async () => {
      const { publish, listen, run_id, taskId } = await start({ retryMs: 100 });
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
      const { raw } = await start({ retryMs: 1_234 });
      const stream = await raw({ 'accept-encoding': 'gzip, br' });
      const { head } = stream;
      expect(head).toMatch(harness.httpVersion === 2 ? /^:status: 200$/m : /^http\/1\.1 200 /);
      expect(head).toMatch(/^content-type: text\/event-stream/m);
      expect(head).toMatch(/^cache-control: no-cache, no-transform$/m);
      expect(head).toMatch(/^x-accel-buffering: no$/m);
      // HTTP/2 forbids the headers of a connection.
      if (harness.httpVersion === 2) expect(head).not.toMatch(/^(connection|keep-alive|transfer-encoding):/m);
      else expect(head).toMatch(/^connection: keep-alive$/m);
      expect(head).not.toMatch(/^content-(length|encoding)/m);
      await expect.poll(() => stream.text, LONG).toContain('retry: 1234\n\n');
    });

    it('go on where a connection broke, without gap or double, and are live again', async () => {
      const { publish, listen, server } = await start({ retryMs: 100 });
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
      const { bus, publish, listen, server, taskId } = await start({ retryMs: 100 });
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
      const { publish, listen, bus, taskId } = await start({ retryMs: 100 });
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
      const { publish, raw, run_id } = await start({ eventsMax: 4 });
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
      const { publish, raw, listen } = await start({ eventsMax: 16, retryMs: 100 });
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
  });
}
