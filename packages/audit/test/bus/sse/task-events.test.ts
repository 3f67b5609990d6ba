import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { testTaskEvents } from '@spanledger/testkit';
import { expect, it } from 'vitest';
import { createEventBus, createTaskEvents } from '../../../src/bus.ts';

testTaskEvents('node:http', {
  newBus: () => createEventBus(),
  start: async (options) => {
    const events = createTaskEvents(options);
    const server = createServer((request, response) =>
      events.handle(request, response, new URL(request.url ?? '', 'http://x').pathname.slice('/events/'.length)),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      closeEvents: () => events.close(),
      cut: () => server.closeAllConnections(),
      close: () => new Promise((resolve) => server.close(resolve)),
    };
  },
});

it.each(['POST', 'DELETE', 'OPTIONS'])('%s is not a way to listen', async (method) => {
  const bus = createEventBus();
  const events = createTaskEvents({ bus });
  const server = createServer((request, response) => events.handle(request, response, 'task')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, { method });
  expect(response.status).toBe(405);
  expect(response.headers.get('allow')).toBe('GET, HEAD');
  expect(bus.wants('tool_exec')).toBe(false);
  server.closeAllConnections();
  server.close();
});
