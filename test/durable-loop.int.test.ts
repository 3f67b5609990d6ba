import { collapse } from '@spanledger/ledger';
import { parseEvent } from '@spanledger/protocol';
import { type NatsServer, startNats } from '@spanledger/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readLedger } from './support/ledger.ts';
import { runExample } from './support/run-example.ts';

let nats: NatsServer;
beforeAll(async () => void (nats = await startNats()));
afterAll(() => nats?.close());

it('goes on with attempt 2 after kill -9 in the middle of attempt 1: one rewind, one story, a ledger that verifies', async () => {
  const { code, stdout, stderr } = await runExample('durable-loop', nats);
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
