import { startNats } from '@spanledger/testkit';
import { describe, expect, it } from 'vitest';
import { count, readLedger } from './ledger-reader.ts';
import { NodeProcess, temporaryFolder } from './node-process.ts';

const NOWHERE = 'nats://127.0.0.1:1';
const IN_TIME = { timeout: 120_000 };

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

describe('an end that leaves no time', () => {
  it.each([
    ['exit', 7],
    ['throw', 1],
    ['reject', 1],
  ])('by %s is Node’s own, and the next process publishes', async (END, code) => {
    await using nats = await startNats();
    const env = { OTEL_SERVICE_NAME: 'sudden', SPANLEDGER_NATS_URL: nats.url, END };
    const journal = temporaryFolder();
    const alone = new NodeProcess('end.mjs', { env });
    const script = new NodeProcess('end.mjs', { load: 'register', env, journal });
    expect(await script.ended()).toEqual({ code, signal: null });
    expect(await alone.ended()).toEqual({ code, signal: null });
    expect(script.stderr).toBe(alone.stderr);

    const next = new NodeProcess('end.mjs', { load: 'register', env: { ...env, END: 'wait', COUNT: '0' }, journal });
    await expect.poll(async () => count(await readLedger(nats.url), 'work_done'), IN_TIME).toBe(100);
    expect(next.stderr).toBe('');
  });

  it.each(['exit', 'throw', 'reject'])('by %s without a journal says what is lost, in one line', async (END) => {
    const env = { OTEL_SERVICE_NAME: 'sudden', SPANLEDGER_NATS_URL: NOWHERE, END };
    const script = new NodeProcess('end.mjs', { load: 'memory-only.mjs', env });
    await script.ended();
    const said = script.stderr.match(/^spanledger: .* lost$/gm);
    expect(said).toEqual(['spanledger: the process ended before the ledger had 100 events: they are lost']);
  });
});

describe('the exit code', () => {
  it.each([
    ['exitCode', undefined, 3],
    ['handler', 'SIGTERM', 4],
    ['wait', 'SIGTERM', 143],
    ['wait', 'SIGINT', 130],
  ] as const)('is kept: %s, %s', async (END, signal, code) => {
    await using nats = await startNats();
    const env = { OTEL_SERVICE_NAME: 'ends', SPANLEDGER_NATS_URL: nats.url, END };
    const script = new NodeProcess('end.mjs', { load: 'patient.mjs', env });
    await script.says(/emitted/);
    if (signal !== undefined) script.child.kill(signal);
    expect(await script.ended()).toEqual({ code, signal: null });
    expect(script.stderr).toBe('');
    expect(count(await readLedger(nats.url), 'work_done')).toBe(100);
  });

  it('is kept while events go on, and none is lost', async () => {
    await using nats = await startNats();
    const env = { OTEL_SERVICE_NAME: 'busy', SPANLEDGER_NATS_URL: nats.url };
    const journal = temporaryFolder();
    const script = new NodeProcess('end.mjs', { load: 'register', env: { ...env, END: 'busy' }, journal });
    await script.says(/emitted/);
    script.child.kill('SIGTERM');
    expect(await script.ended()).toEqual({ code: 143, signal: null });
    expect(script.stderr).toMatch(/^(spanledger: \d+ events are left in the journal .*\n)?$/);
    const emitted = Number(await script.says(/emitted (\d+) in all/));
    const next = new NodeProcess('end.mjs', { load: 'register', env: { ...env, END: 'wait', COUNT: '0' }, journal });
    await expect.poll(async () => count(await readLedger(nats.url), 'work_done'), IN_TIME).toBe(emitted);
    expect(next.stderr).toBe('');
  });

  it('is kept where NATS is not there, and the next process publishes', async () => {
    await using nats = await startNats();
    await nats.stop();
    const env = { OTEL_SERVICE_NAME: 'ends', SPANLEDGER_NATS_URL: nats.url };
    const journal = temporaryFolder();
    const script = new NodeProcess('end.mjs', { load: 'register', env: { ...env, END: 'exitCode' }, journal });
    expect(await script.ended()).toEqual({ code: 3, signal: null });
    await nats.restart();
    const next = new NodeProcess('end.mjs', { load: 'register', env: { ...env, END: 'wait', COUNT: '0' }, journal });
    await expect.poll(async () => count(await readLedger(nats.url), 'work_done'), IN_TIME).toBe(100);
    expect(next.stderr).toBe('');
  });
});
