import { fileURLToPath } from 'node:url';
import { testHttpService } from '@spanledger/testkit';
import type { HttpServiceCase } from '@spanledger/testkit';

const setup = new URL('fixtures/telemetry.mjs', import.meta.url).href;
const script = fileURLToPath(new URL('fixtures/service.mjs', import.meta.url));

interface Parts {
  readonly plugin: boolean;
  readonly http?: boolean;
  /** Whether and when `@fastify/otel` is registered. Without HTTP instrumentation its request span is the SERVER span. */
  readonly otel?: 'before' | 'after';
  readonly env?: Record<string, string>;
}

function service(FASTIFY: string, { plugin, http = false, otel, env }: Parts): HttpServiceCase {
  const PLUGIN = plugin ? 'ours' : 'none';
  const parts = { FASTIFY, PLUGIN, INSTRUMENT: http ? 'http' : '', OTEL_PLUGIN: otel ?? '', ...env };
  const entrySpan = http || otel !== undefined;
  return { script, setup, middleware: plugin, entrySpan, entrySpanEndsEarly: !http && otel === 'before', env: parts };
}

for (const FASTIFY of ['fastify4', 'fastify']) {
  const version = FASTIFY === 'fastify' ? 'fastify5' : FASTIFY;
  testHttpService(`${version}, HTTP instrumentation only`, service(FASTIFY, { plugin: false, http: true }));
  testHttpService(`${version}, plugin only`, service(FASTIFY, { plugin: true }));
  testHttpService(`${version}, plugin and HTTP instrumentation`, service(FASTIFY, { plugin: true, http: true }));
  const failClosed = service(FASTIFY, { plugin: true, env: { FAIL_CLOSED: 'yes' } });
  testHttpService(`${version}, plugin with failClosed`, failClosed);
  for (const otel of ['before', 'after'] as const) {
    const name = `${version}, plugin, @fastify/otel registered ${otel} it`;
    testHttpService(name, service(FASTIFY, { plugin: true, otel }));
    testHttpService(`${name}, HTTP instrumentation`, service(FASTIFY, { plugin: true, http: true, otel }));
  }
}
const inRun = { LISTEN_IN_RUN: 'yes' };
testHttpService(
  'listen() inside another run, HTTP only',
  service('fastify', { plugin: false, http: true, env: inRun }),
);
testHttpService('listen() inside another run, plugin only', service('fastify', { plugin: true, env: inRun }));
testHttpService('listen() inside another run, both', service('fastify', { plugin: true, http: true, env: inRun }));
testHttpService('propagator not registered', service('fastify', { plugin: true, env: { PROPAGATOR: 'none' } }));
