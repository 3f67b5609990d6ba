import { readdirSync } from 'node:fs';
import path from 'node:path';
import { assertLedger, readNdjson, startNats } from '@spanledger/testkit';
import type { NatsServer } from '@spanledger/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { count, readLedger } from './ledger-reader.ts';
import { NodeProcess, temporaryFolder } from './node-process.ts';

let nats: NatsServer;
beforeEach(async () => void (nats = await startNats()));
afterEach(() => nats.close());

const env = (extra: Record<string, string> = {}): Record<string, string> => ({
  OTEL_SERVICE_NAME: 'greeter',
  SPANLEDGER_NATS_URL: nats.url,
  ...extra,
});

const WORKFLOW = { 'X-Workflow-Id': 'wf-1', 'X-Workflow-Execution-Id': 'exec-1', 'X-Workflow-Step-Attempt': '2' };

describe('node --import @spanledger/node/register', () => {
  it.each(['express.cjs', 'express.mjs', 'http.mjs'])(
    'audits requests of %s, each once and in one run',
    async (app) => {
      const service = new NodeProcess(app, { load: 'register', env: env() });
      const port = await service.says(/listening on (\d+)/);
      for (let i = 0; i < 3; i += 1)
        await (await fetch(`http://127.0.0.1:${port}/greet/you`, { headers: WORKFLOW })).text();
      service.child.kill('SIGTERM');

      expect(await service.ended()).toEqual({ code: 143, signal: null });
      const { runs, events } = await readLedger(nats.url);
      const names = ['invocation_started', 'greeted', 'http_request', 'invocation_complete'];
      expect(runs.map((run) => run.names)).toEqual([names, names, names]);
      for (const event of events) {
        expect(event).toMatchObject({
          workflow_id: 'wf-1',
          workflow_execution_id: 'exec-1',
          attempt_epoch: 2,
          producer: 'greeter',
        });
      }
      expect(service.stderr).toBe('');
    },
  );

  it('is the same name from a folder that has the package installed', async () => {
    const service = new NodeProcess('emit-and-end.mjs', { load: '@spanledger/node/register', env: env() });
    expect(await service.ended()).toMatchObject({ code: 0 });
    expect(count(await readLedger(nats.url), 'work_done')).toBe(100);
  });

  it('lets a script end by itself, at once, with every event stored', async () => {
    const script = new NodeProcess('emit-and-end.mjs', { load: 'patient.mjs', env: env({ COUNT: '10000' }) });
    await script.says(/emitted/);
    expect(await script.ended()).toEqual({ code: 0, signal: null });
    expect(script.stderr).toBe('');
    const ledger = await readLedger(nats.url);
    expect(count(ledger, 'work_done')).toBe(10_000);
    expect(ledger.runs).toHaveLength(1);
  });

  it('has a pipeline for each thread', async () => {
    const script = new NodeProcess('worker.mjs', { load: 'register', env: env() });
    expect(await script.ended()).toEqual({ code: 0, signal: null });
    const { runs } = await readLedger(nats.url);
    const names = runs.map((run) => [...new Set(run.names)].join());
    expect(names.sort()).toEqual(['main_done', 'worker_done']);
    expect(runs.map((run) => run.names.length)).toEqual([50, 50]);
  });

  it('does not keep a process that has been idle on an open connection', async () => {
    // Longer than the connection's pings: their timers must not keep it either.
    const script = new NodeProcess('emit-and-end.mjs', { load: 'register', env: env({ HOLD_MS: '6000' }) });
    await script.says(/emitted/);
    expect(await script.ended()).toEqual({ code: 0, signal: null });
    expect(script.stderr).toBe('');
    expect(count(await readLedger(nats.url), 'work_done')).toBe(100);
  });

  it('starts, serves and stores everything when NATS comes up later', async () => {
    await nats.stop();
    const service = new NodeProcess('express.cjs', { load: 'register', env: env() });
    const port = await service.says(/listening on (\d+)/);
    for (let i = 0; i < 20; i += 1) expect((await fetch(`http://127.0.0.1:${port}/greet/you`)).status).toBe(200);
    await nats.restart();
    await expect
      .poll(async () => count(await readLedger(nats.url), 'invocation_complete'), { timeout: 120_000 })
      .toBe(20);
    service.child.kill('SIGTERM');
    expect(await service.ended()).toEqual({ code: 143, signal: null });
    expect(service.stderr).toMatch(/^spanledger: NATS cannot be reached at .*\n(spanledger: .*\n)*$/);
  });

  it.each([
    ['with a journal', 'register', /1\d\d events are left in the journal for the next process/],
    ['without one', 'memory-only.mjs', /shut down with losses.*100 events/],
  ])('ends within the deadline when NATS is not there, and says what is not stored, %s', async (_what, load, said) => {
    await nats.stop();
    const script = new NodeProcess('emit-and-end.mjs', { load, env: env() });
    expect(await script.ended()).toEqual({ code: 0, signal: null });
    expect(script.stderr).toMatch(said);
    expect(script.stderr).not.toMatch(/the process ended before/);
  });

  it('loses nothing at SIGTERM, and ends as if by the signal', async () => {
    const service = new NodeProcess('emit-on-term.cjs', { load: 'register', env: env() });
    await service.says(/ready/);
    service.child.kill('SIGTERM');
    expect(await service.ended()).toEqual({ code: 143, signal: null });
    expect(count(await readLedger(nats.url), 'work_done')).toBe(1_000);
  });

  it('leaves the end to a handler of the application, which can flush before it', async () => {
    const service = new NodeProcess('emit-on-term.cjs', { load: 'register', env: env({ OWN_HANDLER: '1' }) });
    await service.says(/ready/);
    service.child.kill('SIGTERM');
    expect(await service.ended()).toEqual({ code: 7, signal: null });
    expect(service.stdout).toContain('flushed true');
    expect(service.stderr).toBe('');
    const ledger = await readLedger(nats.url);
    expect(count(ledger, 'work_done')).toBe(1_000);
    expect(count(ledger, 'handler_ran')).toBe(1);
  });

  it('writes a local file and says so without a server', async () => {
    const cwd = temporaryFolder();
    const script = new NodeProcess('emit-and-end.mjs', {
      load: 'register',
      env: { OTEL_SERVICE_NAME: 'offline' },
      cwd,
    });
    expect(await script.ended()).toEqual({ code: 0, signal: null });
    const files = readdirSync(path.join(cwd, '.spanledger'));
    expect(files).toEqual([expect.stringMatching(/^offline-.*\.ndjson$/)]);
    const [run] = assertLedger(readNdjson(path.join(cwd, '.spanledger', files[0]!)));
    expect(run?.names).toEqual([...Array(100).fill('work_done'), 'audit_checkpoint']);
    expect(script.stderr).toContain(files[0]);
  });

  it.each([
    ['no service name', { OTEL_SERVICE_NAME: '' }, 'SPANLEDGER_PRODUCER'],
    ['a fallback name', { OTEL_SERVICE_NAME: 'unknown_service:node' }, 'SPANLEDGER_PRODUCER'],
    ['OpenTelemetry disabled', { OTEL_SDK_DISABLED: 'true' }, 'SPANLEDGER_DISABLED'],
    ['a server that is not one', { SPANLEDGER_NATS_URL: 'http://localhost' }, 'SPANLEDGER_OPTION'],
    ['hosts that are not', { SPANLEDGER_ALLOWED_HOSTS: 'a.internal,https://b' }, 'SPANLEDGER_OPTION'],
  ])('refuses to run with %s, in one line', async (_what, wrong, code) => {
    const script = new NodeProcess('emit-and-end.mjs', { load: 'register', env: env(wrong) });
    expect(await script.ended()).toEqual({ code: 1, signal: null });
    expect(script.stderr).toMatch(new RegExp(`^spanledger: .* \\[${code}\\]\n$`));
    expect(script.stdout).toBe('');
  });

  it('sends nothing to a host that is not allowed, and identity to one that is', async () => {
    for (const [hosts, expected] of [
      ['', undefined],
      ['localhost', 'exec-1'],
    ] as const) {
      const service = new NodeProcess('http.mjs', { load: 'register', env: env({ SPANLEDGER_ALLOWED_HOSTS: hosts }) });
      const port = await service.says(/listening on (\d+)/);
      const relayed = await (await fetch(`http://127.0.0.1:${port}/relay`, { headers: WORKFLOW })).json();
      expect(relayed).toHaveProperty('traceparent');
      expect((relayed as Record<string, string>)['x-workflow-execution-id']).toBe(expected);
      service.child.kill('SIGTERM');
      await service.ended();
    }
  });
});
