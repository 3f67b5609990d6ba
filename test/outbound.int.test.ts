import { once } from 'node:events';
import { type IncomingHttpHeaders, type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WORKFLOW_FIELDS } from '@spanledger/protocol';
import { type NatsServer, startNats } from '@spanledger/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { App } from './support/app.ts';
import { readLedger } from './support/ledger.ts';

const LISTED = '127.0.0.1';
const UNLISTED = 'localhost';
const WAYS = ['fetch', 'undici.fetch', 'undici.request', 'http.get'];
const SENT = Object.fromEntries(
  WORKFLOW_FIELDS.map(({ key, header }) => [header, key === 'attempt' ? '2' : `the-${key}`]),
);
const SENT_ON = WORKFLOW_FIELDS.map(({ key, header }) => [
  header.toLowerCase(),
  key === 'caller' ? 'caller-service' : SENT[header],
]);

interface Seen {
  readonly host: string;
  readonly path: string;
  readonly workflow: readonly unknown[];
  readonly traced: boolean;
}

let nats: NatsServer;
let app: App;
let listener: Server;
const seen: Seen[] = [];

beforeAll(async () => {
  // One server by two names: whoever it is called as, it keeps what it was sent. /to?<url> redirects.
  listener = createServer((request, response) => {
    const [path, target] = (request.url ?? '').split('?');
    const host = request.headers.host?.split(':')[0] ?? '';
    seen.push({
      host,
      path: path ?? '',
      workflow: workflowHeaders(request.headers),
      traced: 'traceparent' in request.headers,
    });
    if (path === '/to') response.writeHead(302, { location: decodeURIComponent(target ?? '') });
    response.end();
  }).listen(0);
  await once(listener, 'listening');
  nats = await startNats();
  app = await App.serve('caller.mjs', {
    env: { OTEL_SERVICE_NAME: 'caller-service', SPANLEDGER_NATS_URL: nats.url, SPANLEDGER_ALLOWED_HOSTS: LISTED },
  });
});
afterAll(async () => {
  await app?.[Symbol.asyncDispose]();
  await nats?.close();
  listener?.closeAllConnections();
  listener?.close();
});
beforeEach(() => void (seen.length = 0));

describe.sequential.each(WAYS)('workflow headers through %s', (way) => {
  it('reach a listed host', async () => {
    await call(way, url(LISTED, '/here'));
    expect(seen).toEqual([{ host: LISTED, path: '/here', workflow: SENT_ON, traced: true }]);
  });

  it('reach no other host', async () => {
    await call(way, url(UNLISTED, '/here'));
    // It is traced: what is missing is missing by decision, not because nothing was instrumented.
    expect(seen).toEqual([{ host: UNLISTED, path: '/here', workflow: [], traced: true }]);
  });

  it('do not follow a redirect from a listed host to another one', async () => {
    await call(way, url(LISTED, `/to?${encodeURIComponent(url(UNLISTED, '/there'))}`));
    expect(seen).toEqual([
      { host: LISTED, path: '/to', workflow: SENT_ON, traced: true },
      { host: UNLISTED, path: '/there', workflow: [], traced: true },
    ]);
  });

  it('follow a redirect from another host to a listed one', async () => {
    await call(way, url(UNLISTED, `/to?${encodeURIComponent(url(LISTED, '/there'))}`));
    expect(seen.map(({ host, workflow }) => [host, workflow])).toEqual([
      [UNLISTED, []],
      [LISTED, SENT_ON],
    ]);
  });

  it.each([`//${LISTED}/`, `//${LISTED}`, `//user@${LISTED}/`, `/@${LISTED}/`, `/\\${LISTED}/`])(
    'are not tricked by the path %s of another host',
    async (path) => {
      await call(way, url(UNLISTED, path));
      await call(way, url(LISTED, `/to?${encodeURIComponent(url(UNLISTED, path))}`));
      const elsewhere = seen.filter(({ host }) => host === UNLISTED);
      expect(elsewhere).toHaveLength(2);
      for (const { workflow } of elsewhere) expect(workflow).toEqual([]);
    },
  );
});

it('was all audited', async () => {
  expect(await app.stop()).toBe(143);
  const { report } = await readLedger(nats.url);
  expect(report.openRuns).toBe(0);
  expect(app.stderr).toBe('');
});

async function call(way: string, to: string): Promise<void> {
  const { status } = await app.get(`/${way}?to=${encodeURIComponent(to)}`, SENT);
  expect(status).toBe(200);
}

function url(host: string, path: string): string {
  return `http://${host}:${(listener.address() as AddressInfo).port}${path}`;
}

function workflowHeaders(headers: IncomingHttpHeaders): unknown[] {
  return WORKFLOW_FIELDS.map(({ header }) => [header.toLowerCase(), headers[header.toLowerCase()]]).filter(
    ([, value]) => value !== undefined,
  );
}
