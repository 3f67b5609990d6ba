import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Http2Client, cutOf, testTaskEvents } from '@spanledger/testkit';
import { expect, it, onTestFinished } from 'vitest';
import { createEventBus, createTaskEvents } from '../../../src/bus.ts';
import type { TaskEvents } from '../../../src/bus.ts';

type Answer = (request: Parameters<TaskEvents['handle']>[0], response: Parameters<TaskEvents['handle']>[1]) => void;

const SERVERS = {
  'node:http': { httpVersion: 1, create: (answer: Answer) => http.createServer(answer) },
  'node:http2': { httpVersion: 2, create: (answer: Answer) => http2.createServer(answer) },
} as const;

async function serve(create: (answer: Answer) => http.Server | http2.Http2Server, answer: Answer) {
  const server = create(answer);
  const cut = cutOf(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, cut, close: () => new Promise((resolve) => server.close(resolve)) };
}

for (const [name, { httpVersion, create }] of Object.entries(SERVERS)) {
  testTaskEvents(name, {
    httpVersion,
    newBus: () => createEventBus(),
    start: async (options) => {
      const events = createTaskEvents(options);
      const server = await serve(create, (request, response) =>
        events.handle(request, response, new URL(request.url ?? '', 'http://x').pathname.slice('/events/'.length)),
      );
      return { ...server, closeEvents: () => events.close() };
    },
  });
}

it.each(['POST', 'DELETE', 'OPTIONS'])('%s is not a way to listen', async (method) => {
  const bus = createEventBus();
  const events = createTaskEvents({ bus });
  const { url, cut, close } = await serve(http.createServer, (request, response) =>
    events.handle(request, response, 'task'),
  );
  const response = await fetch(url, { method });
  expect(response.status).toBe(405);
  expect(response.headers.get('allow')).toBe('GET, HEAD');
  expect(bus.wants('tool_exec')).toBe(false);
  cut();
  await close();
});

it('over HTTP/2, holds nothing for a stream that was closed before it was let in, while its connection goes on', async () => {
  const bus = createEventBus();
  const events = createTaskEvents({ bus });
  const waiting: { letIn: () => void; isGone: boolean }[] = [];
  const { url, cut } = await serve(http2.createServer, (request, response) => {
    const one = { letIn: () => events.handle(request, response, 'task'), isGone: false };
    waiting.push(one);
    response.once('close', () => (one.isGone = true));
  });
  const client = new Http2Client();
  onTestFinished(() => {
    client.close();
    cut();
  });
  const [gone, patient] = [client.raw(url), client.raw(url)];
  await expect.poll(() => waiting, { timeout: 120_000 }).toHaveLength(2);
  gone.socket.destroy();
  await expect.poll(() => waiting[0]!.isGone, { timeout: 120_000 }).toBe(true);
  waiting[0]!.letIn();
  expect(bus.wants('tool_exec')).toBe(false);
  waiting[1]!.letIn();
  bus.publish({ event: 'workflow_complete', task_id: 'task' });
  await patient.closed;
  expect(patient.data).toMatchObject([{ event: 'workflow_complete' }]);
});
