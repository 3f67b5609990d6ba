import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { collapse } from '@spanledger/ledger';
import { parseEvent } from '@spanledger/protocol';
import { type NatsServer, startNats } from '@spanledger/testkit';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { readLedger } from './support/ledger.ts';

const FOLDER = path.resolve(import.meta.dirname, '../examples/durable-loop');

let nats: NatsServer;
beforeAll(async () => void (nats = await startNats()));
afterAll(() => nats?.close());

it('goes on with attempt 2 after kill -9 in the middle of attempt 1: one rewind, one story, a ledger that verifies', async () => {
  const { code, stdout, stderr } = await runExample();
  expect(code, `it said: ${stdout}${stderr}`).toBe(0);
  const [full = '', left = '', verdict = ''] = stdout.split('\n-- ').slice(-3);
  expect(full).toMatch(
    /workflow_step_started +summarise #1 [^]*stream_rewind +summarise #2 [^]*workflow_step_started +summarise #2 /,
  );
  expect(left).toContain('summarise #2');
  expect(left).not.toContain('summarise #1');
  expect(verdict).toMatch(/verified/i);

  const { records, events } = await readLedger(nats.url);
  const rewinds = events.filter(({ event }) => event === 'stream_rewind');
  expect(rewinds).toMatchObject([{ step_id: 'summarise', fields: { step: 'summarise', new_epoch: 2 } }]);

  const story: string[] = [];
  for await (const { bytes } of collapse(records, 'superseded')) {
    const { event, step_id, attempt_epoch } = parseEvent(bytes)!;
    if (event.startsWith('workflow_step')) story.push(`${event} ${step_id} ${attempt_epoch}`);
  }
  expect(story).toEqual([
    'workflow_step_started collect 1',
    'workflow_step_completed collect 1',
    'workflow_step_started summarise 2',
    'workflow_step_completed summarise 2',
    'workflow_step_started deliver 1',
    'workflow_step_completed deliver 1',
  ]);
});

async function runExample(): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['run.mjs'], {
    cwd: FOLDER,
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      SPANLEDGER_NATS_URL: nats.url,
      SPANLEDGER_JOURNAL_DIR: path.join(nats.dir, 'journal'),
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  onTestFinished(() => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // All of it has ended, as it should.
    }
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}
