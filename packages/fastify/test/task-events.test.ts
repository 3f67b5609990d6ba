import { createRequire } from 'node:module';
import { createEventBus } from '@spanledger/audit/bus';
import { RawStream, cutOf, testTaskEvents } from '@spanledger/testkit';
import { fastify as createFastify } from 'fastify';
import type { FastifyInstance } from 'fastify';
import { describe, expect, it, onTestFinished } from 'vitest';
import { spanledger, taskEvents } from '../src/index.ts';

const require = createRequire(import.meta.url);
const longParams = { maxParamLength: 1_000 };
const LONG = { timeout: 120_000 };

describe.each(['fastify4', 'fastify'])('%s', (version) => {
  const fastify = require(version) as (options?: object) => FastifyInstance;

  for (const httpVersion of [1, 2] as const) {
    testTaskEvents(`${version} over HTTP/${httpVersion}`, {
      httpVersion,
      newBus: () => createEventBus(),
      start: async (options) => {
        const events = taskEvents(options);
        const longParam = version === 'fastify4' ? longParams : { routerOptions: longParams };
        const app = fastify({ ...longParam, ...(httpVersion === 2 && { http2: true }) });
        const cut = cutOf(app.server);
        await app.register(spanledger);
        app.get('/events/:taskId', events);
        return {
          url: await app.listen({ port: 0, host: '127.0.0.1' }),
          closeEvents: () => events.close(),
          cut,
          close: () => app.close(),
        };
      },
    });
  }

  it('sends the headers that hooks have set, behind what decides who may read', async () => {
    const bus = createEventBus();
    const app = fastify();
    onTestFinished(() => app.close());
    const responses: number[] = [];
    app.addHook(
      'onRequest',
      async (_request, reply) => void reply.header('access-control-allow-origin', 'https://a.b'),
    );
    app.addHook('onResponse', async (_request, reply) => void responses.push(reply.raw.statusCode));
    app.get(
      '/events/:taskId',
      {
        preHandler: async (request, reply) => {
          if (request.headers.authorization !== 'Bearer of-mine') return reply.code(403).send();
          return undefined;
        },
      },
      taskEvents({ bus }),
    );
    const url = `${await app.listen({ port: 0, host: '127.0.0.1' })}/events/${encodeURIComponent('a/b ü')}`;
    expect((await fetch(url)).status).toBe(403);
    expect(bus.wants('tool_exec')).toBe(false);
    const stream = new RawStream(url, { authorization: 'Bearer of-mine', connection: 'close' });
    await expect.poll(() => stream.text, LONG).toContain('stream.connected');
    expect(stream.head).toContain('access-control-allow-origin: https://a.b');
    bus.publish({ event: 'workflow_complete', task_id: 'a/b ü' });
    await stream.closed;
    expect(stream.data).toMatchObject([{ event: 'workflow_complete' }]);
    await expect.poll(() => responses, LONG).toEqual([403, 200]);
  });

  it('lets the application close when its bus is closed before', async () => {
    const bus = createEventBus();
    const app = fastify();
    app.get('/events/:taskId', taskEvents({ bus }));
    app.addHook('preClose', async () => bus.close());
    const url = await app.listen({ port: 0, host: '127.0.0.1' });
    const stream = new RawStream(`${url}/events/t`);
    await expect.poll(() => stream.text, LONG).toContain('stream.connected');
    await app.close();
    await stream.closed;
  });
});

it('is a handler of an application of HTTP/2 for the compiler too', async () => {
  const app = createFastify({ http2: true });
  app.get('/events/:taskId', taskEvents({ bus: createEventBus() }));
  await app.ready();
  expect(app.hasRoute({ method: 'GET', url: '/events/:taskId' })).toBe(true);
  await app.close();
});
