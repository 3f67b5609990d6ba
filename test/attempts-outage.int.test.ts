import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { createAuditPipeline, memorySink, registerPipeline, workflow } from '@spanledger/audit';
import { connectNats, jetStreamAttemptStore } from '@spanledger/jetstream';
import { assertLedger, startNats } from '@spanledger/testkit';
import type { NatsServer } from '@spanledger/testkit';
import { afterEach, expect, it } from 'vitest';
import { waitFor } from './support/wait-for.ts';

let end = async (): Promise<void> => {};
afterEach(() => end());

/** An orchestrator whose attempts are counted on this server. */
function begin(server: NatsServer, onUnavailable: 'error' | 'memory') {
  const store = jetStreamAttemptStore((signal) => connectNats({ servers: server.url, signal }), {
    deadlineMs: 500,
    onUnavailable,
  });
  const sink = memorySink();
  const pipeline = createAuditPipeline({ producer: 'orchestrator', sink, attempts: store });
  const unregister = registerPipeline(pipeline);
  end = async () => {
    unregister();
    await pipeline.shutdown();
    assertLedger(sink.records);
    // The pipeline closes the store as well.
    await expect(store.read({ executionId: 'x', stepId: 'x' })).rejects.toMatchObject({ code: 'SPANLEDGER_ATTEMPTS' });
  };
  const executionId = randomUUID();
  return {
    attempt: () => workflow.run({ executionId }, (run) => run.step('a', ({ attempt }) => attempt)),
    stored: async () => (await store.read({ executionId, stepId: 'a' })).record?.epoch,
  };
}

it('begins no step while the server is away, and goes on when it is back', async () => {
  await using server = await startNats();
  const { attempt } = begin(server, 'error');
  // Half a second is not always enough for a server that is there, either.
  const answered = () =>
    waitFor(
      () => 'an attempt',
      () => attempt().catch(() => undefined),
    );
  await answered();
  const before = await answered();
  expect(before).toBeGreaterThan(1);
  await server.kill();
  for (let n = 0; n < 2; n += 1) await expect(attempt()).rejects.toMatchObject({ code: 'SPANLEDGER_ATTEMPTS' });
  await server.restart();
  expect(await answered()).toBeGreaterThan(before);
});

it('counts on alone while the server is away, if it is told to, and above that when it is back', async () => {
  await using server = await startNats();
  const { attempt, stored } = begin(server, 'memory');
  const inStore = async () => {
    const epoch = await attempt();
    if ((await stored().catch(() => undefined)) === epoch) return epoch;
    await delay(100);
    return undefined;
  };
  const before = await waitFor(() => 'an attempt in the store', inStore);
  await server.kill();
  const alone = [await attempt(), await attempt(), await attempt()];
  expect(alone).toEqual([before + 1, before + 2, before + 3]);
  await server.restart();
  const after = await waitFor(() => 'an attempt in the store again', inStore);
  expect(after).toBeGreaterThan(before + 3);
});
