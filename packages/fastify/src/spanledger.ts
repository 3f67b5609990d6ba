import { serveRequest } from '@spanledger/otel';
import type { FastifyPluginCallback } from 'fastify';
import fastifyPlugin from 'fastify-plugin';

/**
 * Plugin that gives every request its run and its workflow context: `await app.register(spanledger)`, before the routes.
 *
 * It is not encapsulated: it holds for the whole application. It never throws, and passes every request on.
 */
export const spanledger: FastifyPluginCallback = fastifyPlugin(
  (app, _options, done) => {
    app.addHook('onRequest', (request, reply, next) => serveRequest(request.raw, reply.raw, next));
    done();
  },
  { name: '@spanledger/fastify', fastify: '4.x || 5.x' },
);
