import { once } from 'node:events';
import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { createEventBus } from '@spanledger/audit/bus';
import { RawStream, testTaskEvents } from '@spanledger/testkit';
import compression from 'compression';
import type { Express, RequestHandler } from 'express';
import { describe, expect, it, onTestFinished } from 'vitest';
import { spanledger, taskEvents } from '../src/index.ts';

const require = createRequire(import.meta.url);

interface ExpressModule {
  (): Express;
  Router(): Express;
}

describe.each(['express4', 'express5'])('%s', (version) => {
  const express = require(version) as ExpressModule;

  async function listen(app: Express): Promise<{ server: Server; url: string }> {
    const server = app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  testTaskEvents(version, {
    newBus: () => createEventBus(),
    start: async (options) => {
      const events = taskEvents(options);
      const app = express();
      app.use(spanledger(), compression({ threshold: 0 }));
      app.get('/events/:taskId', events);
      const { server, url } = await listen(app);
      return {
        url,
        closeEvents: () => events.close(),
        cut: () => server.closeAllConnections(),
        close: () => new Promise((resolve) => server.close(resolve)),
      };
    },
  });

  async function serve(prepare: (app: Express) => void): Promise<string> {
    const app = express();
    prepare(app);
    const { server, url } = await listen(app);
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    return url;
  }

  it('serves them on a router, behind what decides who may read', async () => {
    const bus = createEventBus();
    const url = await serve((app) => {
      const router = express.Router();
      const mayRead: RequestHandler = (request, response, next) => {
        if (request.headers.authorization === 'Bearer of-mine') setImmediate(next);
        else response.status(403).end();
      };
      router.get('/tasks/:taskId/events', mayRead, taskEvents({ bus }));
      app.use('/api', router);
    });
    const path = `${url}/api/tasks/${encodeURIComponent('a/b ü')}/events?chunks=1`;
    expect((await fetch(path)).status).toBe(403);
    expect(bus.wants('tool_exec')).toBe(false);
    const stream = new RawStream(path, { authorization: 'Bearer of-mine' });
    onTestFinished(() => void stream.socket.destroy());
    await expect.poll(() => stream.text, { timeout: 120_000 }).toContain('stream.connected');
    bus.publish({ event: 'request.text_chunk', task_id: 'a/b ü' });
    await expect.poll(() => stream.data, { timeout: 120_000 }).toHaveLength(1);
  });

  it('holds nothing for a client that was gone before it was let in', async () => {
    const bus = createEventBus();
    let letIn = (): void => {};
    let gone = false;
    const url = await serve((app) => {
      const wait: RequestHandler = (_request, response, next) => {
        letIn = next;
        response.once('close', () => (gone = true));
      };
      app.get('/events/:taskId', wait, taskEvents({ bus }));
    });
    const stream = new RawStream(`${url}/events/t`);
    await once(stream.socket, 'connect');
    const inside = letIn;
    await expect.poll(() => letIn !== inside, { timeout: 120_000 }).toBe(true);
    stream.socket.destroy();
    await expect.poll(() => gone, { timeout: 120_000 }).toBe(true);
    letIn();
    expect(bus.wants('tool_exec')).toBe(false);
  });
});

it.each([{}, { bus: {} }, { bus: createEventBus(), eventsMax: 0 }, { bus: createEventBus(), graceMs: -1 }])(
  'cannot be made with %o',
  (options) => {
    expect(() => taskEvents(options as never)).toThrow(expect.objectContaining({ code: 'SPANLEDGER_OPTION' }));
  },
);
