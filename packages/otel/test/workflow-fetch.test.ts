import { ROOT_CONTEXT, context } from '@opentelemetry/api';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WorkflowPropagator, workflowFetch } from '../src/index.ts';
import { Run, setWorkflowContext } from '../src/internal.ts';
import { FULL, headersOf, registerTracing, serve, unregisterTracing, workflowHeaders } from './support.ts';
import type { TestServer } from './support.ts';

const SENT = headersOf({ ...FULL, caller: 'planner' });
const scope = { run: new Run('workflow', FULL), workflow: FULL };
const inWorkflow = <T>(fn: () => T): T => context.with(setWorkflowContext(ROOT_CONTEXT, scope), fn);

// With the instrumentation there, headers must still be written once.
const undici = new UndiciInstrumentation();
const propagator = new WorkflowPropagator({ producer: 'planner', outbound: { allowedHosts: ['127.0.0.1'] } });
let server: TestServer;
/** A listed host and an unlisted one: the same server. */
let listed: string;
let unlisted: string;

beforeAll(async () => {
  undici.setTracerProvider(registerTracing({ propagator }).provider);
  // /307/<where>: redirect; anything else: done.
  server = await serve((request, response) => {
    const [, status = '', ...target] = (request.url ?? '').split('/');
    if (!/^30\d$/.test(status)) return response.end('done');
    return response.writeHead(Number(status), { location: decodeURIComponent(target.join('/')) }).end('moved');
  });
  listed = `http://127.0.0.1:${server.port}`;
  unlisted = `http://localhost:${server.port}`;
});
beforeEach(() => void (server.seen.length = 0));
afterAll(async () => {
  undici.disable();
  propagator.shutdown();
  unregisterTracing();
  await server.close();
});

const redirect = (from: string, status: number, to: string) => `${from}/${status}/${encodeURIComponent(to)}`;
const arrived = () => server.seen.map(({ headers }) => workflowHeaders(headers));

describe('workflowFetch', () => {
  it('writes headers once, to listed hosts only, hop by hop', async () => {
    const chain = redirect(listed, 302, redirect(unlisted, 302, `${listed}/end`));
    const response = await inWorkflow(() =>
      workflowFetch(chain, { headers: { 'X-Workflow-Id': 'by hand', 'x-other': 'kept' } }),
    );
    expect(await response.text()).toBe('done');
    expect(response).toMatchObject({ status: 200, url: `${listed}/end`, redirected: true });
    expect(arrived()).toStrictEqual([SENT, {}, SENT]);
    expect(server.seen.map(({ headers }) => headers['x-other'])).toStrictEqual(['kept', 'kept', 'kept']);
  });

  it('takes hand-written headers off for an unlisted host', async () => {
    await inWorkflow(() => workflowFetch(unlisted, { headers: headersOf(FULL) }));
    expect(arrived()).toStrictEqual([{}]);
  });

  it('reads a location that is not ASCII as fetch does', async () => {
    const url = redirect(listed, 302, Buffer.from('/späť?ö').toString('latin1'));
    await fetch(url);
    await workflowFetch(url);
    const [, theirs, , ours] = server.seen.map((request) => request.url);
    expect(ours).toBe(theirs);
    expect(ours).toBe('/sp%C3%A4%C5%A5?%C3%B6');
  });

  it('is not fooled by a path that looks like a host', async () => {
    await inWorkflow(() => workflowFetch(redirect(listed, 302, `${unlisted}//127.0.0.1/`)));
    expect(arrived()).toStrictEqual([SENT, {}]);
  });

  it('drops credentials between origins, and keeps them within one', async () => {
    const headers = { authorization: 'Bearer a', cookie: 'b=c', 'proxy-authorization': 'd' };
    await workflowFetch(redirect(listed, 302, '/relative'), { headers });
    await workflowFetch(redirect(listed, 302, `${unlisted}/`), { headers });
    expect(server.seen.map((request) => [request.headers.authorization, request.headers.cookie])).toStrictEqual([
      ['Bearer a', 'b=c'],
      ['Bearer a', 'b=c'],
      ['Bearer a', 'b=c'],
      [undefined, undefined],
    ]);
  });

  it.each([301, 302, 303, 307, 308])('does with method and body at a %i what fetch does', async (status) => {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'patch']) {
      const init = { method, ...(method === 'GET' || method === 'HEAD' ? {} : { body: 'data' }) };
      const url = redirect(listed, status, '/end');
      await (await fetch(url, init)).text();
      await (await workflowFetch(url, init)).text();
      const [, theirs, , ours] = server.seen.splice(0);
      const shape = (request = theirs) => [
        request?.url,
        request?.method,
        request?.body,
        request?.headers['content-type'],
        request?.headers['content-length'],
      ];
      expect(shape(ours)).toStrictEqual(shape(theirs));
    }
  });

  it.each(['manual', 'error'] as const)('leaves redirect: %s to fetch', async (mode) => {
    const url = redirect(listed, 302, `${listed}/end`);
    const outcome = (response: Promise<Response>) =>
      response.then(
        (r) => r.status,
        (error: Error) => error.constructor.name,
      );
    const theirs = await outcome(fetch(url, { redirect: mode }));
    expect(await outcome(inWorkflow(() => workflowFetch(url, { redirect: mode })))).toBe(theirs);
    expect(await outcome(inWorkflow(() => workflowFetch(new Request(url, { redirect: mode }))))).toBe(theirs);
    expect(arrived()).toStrictEqual([{}, SENT, SENT]);
  });

  it('gives up after twenty redirects', async () => {
    const looping = await serve((_request, response) => response.writeHead(302, { location: '/again' }).end());
    await expect(workflowFetch(`http://127.0.0.1:${looping.port}/`)).rejects.toThrow(
      expect.objectContaining({
        name: 'TypeError',
        cause: expect.objectContaining({ message: 'redirect count exceeded' }),
      }),
    );
    expect(looping.seen).toHaveLength(21);
    await looping.close();
  });

  it('fails where a stream would have to be sent again, as fetch does', async () => {
    const stream = () => ({ method: 'POST', body: new Blob(['data']).stream(), duplex: 'half' as const });
    for (const status of [301, 307]) {
      const url = redirect(listed, status, '/end');
      await expect(fetch(url, stream())).rejects.toThrow(TypeError);
      await expect(workflowFetch(url, stream())).rejects.toThrow(TypeError);
    }
    const response = await workflowFetch(redirect(listed, 303, '/end'), stream());
    expect(await response.text()).toBe('done');
    expect(server.seen.at(-1)).toMatchObject({ method: 'GET', body: '' });
  });

  it('takes a Request, with its body, headers and signal', async () => {
    const controller = new AbortController();
    const request = new Request(`${listed}/x`, {
      method: 'POST',
      body: 'data',
      headers: { 'x-other': '1' },
      signal: controller.signal,
    });
    await inWorkflow(() => workflowFetch(request));
    expect(server.seen[0]).toMatchObject({ method: 'POST', body: 'data', headers: { 'x-other': '1', ...SENT } });
    controller.abort();
    await expect(workflowFetch(new Request(listed, { signal: controller.signal }))).rejects.toThrow(
      expect.objectContaining({ name: 'AbortError' }),
    );
  });

  it.each(['data:text/plain,x', 'file:///etc/passwd', 'http://', `http://user:secret@127.0.0.1:1/`])(
    'refuses a redirect to %s',
    async (to) => {
      await expect(workflowFetch(redirect(listed, 302, to))).rejects.toThrow(TypeError);
    },
  );

  it('refuses what is no URL', async () => {
    await expect(workflowFetch('/relative')).rejects.toThrow(TypeError);
  });
});
