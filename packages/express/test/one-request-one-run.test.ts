import { fileURLToPath } from 'node:url';
import { testHttpService } from '@spanledger/testkit';
import type { HttpServiceCase } from '@spanledger/testkit';

const setup = new URL('fixtures/telemetry.mjs', import.meta.url).href;
const script = fileURLToPath(new URL('fixtures/service.mjs', import.meta.url));

function service(EXPRESS: string, middleware: boolean, INSTRUMENT: string, env = {}): HttpServiceCase {
  const entrySpan = INSTRUMENT.includes('http');
  const MIDDLEWARE = middleware ? 'ours' : 'none';
  return { script, setup, middleware, entrySpan, env: { EXPRESS, MIDDLEWARE, INSTRUMENT, ...env } };
}

for (const EXPRESS of ['express4', 'express5']) {
  testHttpService(`${EXPRESS}, HTTP instrumentation only`, service(EXPRESS, false, 'http'));
  testHttpService(`${EXPRESS}, middleware only`, service(EXPRESS, true, ''));
  testHttpService(`${EXPRESS}, middleware and HTTP instrumentation`, service(EXPRESS, true, 'http'));
  testHttpService(`${EXPRESS}, middleware, HTTP and Express instrumentation`, service(EXPRESS, true, 'http,express'));
  testHttpService(`${EXPRESS}, middleware with failClosed`, service(EXPRESS, true, '', { FAIL_CLOSED: 'yes' }));
}
const inRun = { LISTEN_IN_RUN: 'yes' };
testHttpService('listen() inside another run, HTTP instrumentation only', service('express5', false, 'http', inRun));
testHttpService('listen() inside another run, middleware only', service('express5', true, '', inRun));
testHttpService('listen() inside another run, both', service('express5', true, 'http', inRun));
testHttpService('propagator not registered', service('express5', true, '', { PROPAGATOR: 'none' }));
