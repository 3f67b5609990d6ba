import { startNats } from '@spanledger/testkit';
import { expect, it, onTestFinished } from 'vitest';
import { count, readLedger } from './ledger-reader.ts';
import { NodeProcess } from './node-process.ts';

/** Whoever brings no password may read. */
const serviceThatMay = (publish: string): string => `
no_auth_user: reader
authorization { users: [
  { user: "reader", password: "reader" }
  { user: "svc", password: "pw", permissions: { publish: ${publish}, subscribe: ">" } }
] }`;

it('makes the stream later, where the server did not answer when it was first asked', async () => {
  const nats = await startNats({ config: serviceThatMay('{ allow: ">", deny: "$JS.API.>" }') });
  onTestFinished(() => nats.close());
  const url = nats.url.replace('://', '://svc:pw@');
  const service = new NodeProcess('end.mjs', {
    load: 'register',
    env: { OTEL_SERVICE_NAME: 'early', SPANLEDGER_NATS_URL: url, END: 'wait' },
  });
  await expect.poll(() => service.stderr, { timeout: 80_000 }).toMatch(/neither made nor checked/);
  await nats.reload(serviceThatMay('">"'));
  const stored = async (): Promise<number> => count(await readLedger(nats.url), 'work_done');
  await expect.poll(stored, { timeout: 80_000, interval: 500 }).toBe(100);
  service.child.kill('SIGTERM');
  await service.ended();
});
