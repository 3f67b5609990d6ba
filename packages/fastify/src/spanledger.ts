import { keysRoute, requestGate } from '@spanledger/audit';
import type { KeysRouteOptions, RequestGateOptions, RequestRefusal } from '@spanledger/audit';
import { serveRequest } from '@spanledger/otel';
import type {
  FastifyInstance,
  FastifyPluginAsync,
  FastifyReply,
  FastifyRequest,
  HookHandlerDoneFunction,
} from 'fastify';
import fastifyPlugin from 'fastify-plugin';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `failClosed: false`: the route is served whatever the ledger does. For a liveness probe. */
    spanledger?: { readonly failClosed?: false };
  }
}

export interface SpanledgerOptions extends RequestGateOptions {
  /**
   * Serves the public keys that the service's audit events can be verified with at `/.well-known/forge-audit-keys`; 404 where nothing is
   * signed. Default `false`: there is no such route.
   */
  readonly auditKeys?: boolean | KeysRouteOptions;
}

/**
 * Plugin that gives every request its run and its workflow context: `await app.register(spanledger)`, before the routes.
 *
 * It is not encapsulated: it holds for the whole application. It never throws, and passes every request on; with `failClosed`,
 * only while the ledger accepts. An unusable option (`SPANLEDGER_OPTION`) is an error of `register`.
 */
export const spanledger: FastifyPluginAsync<SpanledgerOptions> = fastifyPlugin(
  async (app, options: SpanledgerOptions) => {
    const gate = requestGate(options);
    app.addHook('onRequest', (request, reply, next) =>
      serveRequest(request.raw, reply.raw, () => {
        const refusal = gate();
        if (refusal === undefined || isExempt(request)) next();
        else refuse(reply, refusal, next);
      }),
    );
    if (options.auditKeys) serveKeys(app, options.auditKeys === true ? {} : options.auditKeys);
  },
  { name: '@spanledger/fastify', fastify: '4.x || 5.x' },
);

function serveKeys(app: FastifyInstance, options: KeysRouteOptions): void {
  const { path, answer } = keysRoute(options);
  app.get(path, { config: { spanledger: { failClosed: false } } }, async (_request, reply) => {
    const { statusCode, headers, body } = answer();
    return reply.code(statusCode).headers(headers).send(Buffer.from(body)); // a text would be given a charset
  });
}

function isExempt({ routeOptions }: FastifyRequest): boolean {
  // The first releases of Fastify 4 have no `routeOptions`, whatever the type says. Unknown routes have no `config`.
  const { config } = (routeOptions ?? {}) as Partial<FastifyRequest['routeOptions']>;
  return config?.spanledger?.failClosed === false;
}

/** As an error, which the application's error handler may render. */
function refuse(
  reply: FastifyReply,
  { retryAfterSeconds, error }: RequestRefusal,
  next: HookHandlerDoneFunction,
): void {
  if (reply.raw.headersSent) {
    // A hook before us has answered, or begun to: half an answer is better broken than made whole.
    reply.hijack();
    if (!reply.raw.writableEnded) reply.raw.destroy();
    return;
  }
  reply.header('Retry-After', retryAfterSeconds);
  next(error);
}
