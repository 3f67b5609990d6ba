import { describe, expect, it } from 'vitest';
import { NodeProcess } from './node-process.ts';

async function terminated(handler: string): Promise<NodeProcess> {
  const service = new NodeProcess('signal-handlers.mjs', { env: { HANDLER: handler } });
  await service.says(/ready/);
  service.child.kill('SIGTERM');
  return service;
}

describe('SIGTERM', () => {
  it('is left to a handler that was there first, also if it is called once', async () => {
    expect(await (await terminated('once')).ended()).toEqual({ code: 7, signal: null });
  });

  it('ends the process beside a library that waits for others to end it', async () => {
    const service = await terminated('tidy');
    expect(await service.ended()).toEqual({ code: 143, signal: null });
    expect(service.stdout).toContain('tidied up');
  });
});
