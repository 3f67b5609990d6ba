import { execFile } from 'node:child_process';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { startNats } from '@spanledger/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { App } from './support/app.ts';
import { readLedger } from './support/ledger.ts';
import { installPacked } from './support/packed-packages.ts';

let folder: string;
beforeAll(async () => {
  folder = await realpath(await mkdtemp(path.join(tmpdir(), 'spanledger-packed-')));
  await installPacked(folder, path.join(import.meta.dirname, 'fixtures/packed'), ['express', '@opentelemetry/api']);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it.each(['server.mjs', 'server.cjs'])(
  'an application outside the repository, with packed packages (%s)',
  async (script) => {
    await using nats = await startNats();
    await using app = await App.serve(script, {
      folder,
      load: '@spanledger/node/register',
      env: { OTEL_SERVICE_NAME: 'shop', SPANLEDGER_NATS_URL: nats.url },
    });
    const answer = await app.get<string>('/', {
      'X-Workflow-Id': 'checkout',
      'X-Workflow-Execution-Id': 'exec-packed',
    });
    expect(answer.body).toContain(pathToFileURL(path.join(folder, 'installed/express')).href);
    expect(await app.stop()).toBe(143);
    expect(app.stderr).toBe('');

    const { runs, events } = await readLedger(nats.url);
    expect(runs.map(({ names }) => names)).toEqual([
      ['invocation_started', 'payment', 'http_request', 'invocation_complete'],
    ]);
    for (const event of events) {
      expect(event).toMatchObject({ producer: 'shop', workflow_id: 'checkout', workflow_execution_id: 'exec-packed' });
    }
    expect(answer.headers.get('x-workflow-run-id')).toBe(events[0]?.run_id);
  },
);

it('the command line, packed', async () => {
  const bin = path.join(folder, 'node_modules/spanledger/bin/spanledger.js');
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [bin, '--help'], { cwd: folder });
  expect(stdout).toMatch(/^Usage: spanledger /);
  expect(stderr).toBe('');
});
