import http from 'node:http';
import { EventStream, type NatsServer, startNats } from '@spanledger/testkit';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { App } from './support/app.ts';
import { readLedger } from './support/ledger.ts';
import { runExample } from './support/run-example.ts';
import { waitFor } from './support/wait-for.ts';

let nats: NatsServer;
beforeAll(async () => void (nats = await startNats()));
afterAll(() => nats?.close());

const NAMES = ['invocation_started', 'work', 'http_request', 'invocation_complete'];

/** Begins a request and gives its run, which the headers of the answer name. */
async function beginReport(agent: App): Promise<{ runId: string; done: Promise<unknown> }> {
  const headers = { 'x-workflow-execution-id': 'live' };
  const request = http.get(`${agent.url}/report`, { headers, agent: false });
  const response = await new Promise<http.IncomingMessage>((resolve) => request.once('response', resolve));
  const done = new Promise((resolve) => response.once('end', resolve));
  response.resume();
  return { runId: String(response.headers['x-workflow-run-id']), done };
}

it('a page hears from one process what happens in another, over a restart of the server, until its end', async () => {
  const env = { SPANLEDGER_NATS_URL: nats.url };
  await using agent = await App.serve('reporting-agent.mjs', { env: { ...env, OTEL_SERVICE_NAME: 'reporting-agent' } });
  await using page = await App.serve('progress-page.mjs', { env, load: 'ends-with-test.mjs' }); // Spanledger is not started there.
  const { runId, done } = await beginReport(agent);
  const stream = new EventStream(`${page.url}/events/${runId}`, NAMES);
  onTestFinished(() => stream.close());
  await waitFor(
    () => 'the page to be connected',
    () => stream.isOpen || undefined,
  );

  await nats.kill('SIGKILL');
  await agent.get('/go-on');
  await done;
  await nats.restart();
  await waitFor(
    () => `the page to hear the end; it heard ${JSON.stringify(stream.heard.map(({ name }) => name))}`,
    () => stream.isClosed || undefined,
  );
  const names = stream.heard.map(({ name }) => name);
  expect(names.filter((name) => name === 'work')).toHaveLength(20);
  expect(names.at(-1)).toBe('invocation_complete');
  expect(names).not.toContain('lagged');
  // All of it, in the order of the ledger, each once.
  const [first] = stream.heard;
  const from = Number(first?.data['seq']);
  expect(stream.heard.map(({ id }) => id)).toEqual(stream.heard.map((_, n) => `${runId}:${from + n}`));

  expect(await page.stop()).toBe(0);
  expect(page.stdout).toMatch(/published \d+, skipped 0/);
  expect(page.stderr).toBe('');
});

it('the example: a page is cut off in the middle of a report, comes back, and has seen every step once', async () => {
  await using own = await startNats();
  const { code, stdout, stderr } = await runExample('live-progress', own);
  expect(code, `it said: ${stdout}${stderr}`).toBe(0);
  const page = Array.from(stdout.matchAll(/^page: (.*)$/gm), ([, line]) => line);
  const cuts = page.filter((line) => line === 'cut off');
  expect(cuts.length).toBeGreaterThan(0);
  expect(page.filter((line) => line !== 'cut off')).toEqual([
    '#.... collect',
    '##... compare',
    '###.. draft',
    '####. review',
    '##### publish',
    'report_finished',
  ]);
  expect(page.indexOf('cut off')).toBeLessThan(page.indexOf('###.. draft'));
  const back = stdout.match(/^app: {2}a page comes back, after \S+$/gm);
  expect(back).toHaveLength(cuts.length);

  const { events } = await readLedger(own.url);
  const steps = events.filter(({ event }) => event === 'report_step').map(({ fields }) => fields?.['step']);
  expect(steps).toEqual(['collect', 'compare', 'draft', 'review', 'publish']);
});
