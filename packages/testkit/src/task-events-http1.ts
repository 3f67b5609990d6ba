import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RawStream } from './raw-stream.ts';
import { LONG, begin } from './task-events-harness.ts';
import type { SuiteBus, TaskEventsHarness } from './task-events-harness.ts';

/** Connections of HTTP/1, which carry one answer at a time. */
export function testTaskEventsOnHttp1<Bus extends SuiteBus>(harness: TaskEventsHarness<Bus>): void {
  describe('and their connections of HTTP/1', () => {
    const start = () => begin(harness, { graceMs: 100 });

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

    it('leave none behind of a request that waits behind another one on its connection', async () => {
      const { bus, server } = await start();
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
