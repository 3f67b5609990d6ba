import { createAuditPipeline, memorySink } from '@spanledger/audit';
import { expect, it } from 'vitest';
import { publishHandle } from '../src/handle.ts';

it('waits for the SDK as long as it takes where the deadline is Infinity', async () => {
  const pipeline = createAuditPipeline({ producer: 'svc', sink: memorySink() });
  let isDown = false;
  const shutdownSdk = async (): Promise<void> => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    isDown = true;
  };
  const handle = publishHandle({ pipeline, journal: undefined, timeoutMs: 1_000, shutdownSdk });
  await handle.shutdown(Infinity);
  expect(isDown).toBe(true);
});
