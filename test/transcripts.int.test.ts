import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { connectNats, eraseTranscripts, readTranscripts } from '@spanledger/jetstream';
import { readTranscript } from '@spanledger/protocol';
import { startNats } from '@spanledger/testkit';
import type { NatsServer } from '@spanledger/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { App } from './support/app.ts';
import { readLedger } from './support/ledger.ts';
import { waitFor } from './support/wait-for.ts';

const run = promisify(execFile);
const PACKAGES = path.resolve(import.meta.dirname, '../packages');
const BIN = path.join(PACKAGES, 'cli/bin/spanledger.js');
const SECRET = ['AKIA', 'QWERTYUIOPASDFG2'].join('');
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let nats: NatsServer;
beforeAll(async () => {
  nats = await startNats();
});
afterAll(async () => nats?.close());

/** What the lines of the README say that read transcripts. */
async function readAsTheReadmeDoes(): Promise<string[]> {
  const readme = readFileSync(path.join(PACKAGES, 'jetstream/README.md'), 'utf8');
  const code = /```js\n(import [^`]*readTranscript\([\s\S]*?)```/.exec(readme)![1]!;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], {
    cwd: import.meta.dirname,
    env: { ...process.env, SPANLEDGER_NATS_URL: nats.url },
  });
  return stdout.trim().split('\n');
}

/** `spanledger verify` as a process: it ends with 0, or this throws. */
async function verify(): Promise<Record<string, unknown>> {
  const { stdout } = await run(process.execPath, [BIN, 'verify', '--json', '--server', nats.url]);
  return JSON.parse(stdout) as Record<string, unknown>;
}

it('what a service said is stored, read as the README does, and erased; and the ledger verifies all the while', async () => {
  const env = {
    OTEL_SERVICE_NAME: 'talker',
    SPANLEDGER_NATS_URL: nats.url,
    SPANLEDGER_TRANSCRIPTS: 'true',
    SECRET,
  };
  const app = new App('talks-to-model.mjs', { load: '@spanledger/node/register', env });
  expect(await app.ended()).toBe(0);
  const input = (name: string): string =>
    `llm_call input ok [{"role":"user","parts":[{"type":"text","content":"I am ${name}, and my key is [REDACTED]"}]}]`;
  const output = (name: string): string =>
    `llm_call output ok [{"role":"assistant","parts":[{"type":"text","content":"Hello ${name}"}]}]`;
  expect(await readAsTheReadmeDoes()).toEqual([input('Ann'), output('Ann'), input('Bob'), output('Bob')]);
  const before = await verify();
  const { events, records } = await readLedger(nats.url);
  expect(Buffer.concat(records.map(({ bytes }) => bytes)).toString()).not.toMatch(/Hello|by hand/);

  const connection = await connectNats({ servers: nats.url });
  const byHand = events.find(({ event }) => event === 'transcript_recorded')!;
  const { digest } = byHand['fields']!['transcript' as never] as { digest: string };
  const ofTask: Uint8Array[] = [];
  for await (const { bytes } of readTranscripts(connection, { taskId: 'task' })) ofTask.push(bytes);
  expect(readTranscript(ofTask, digest, sha256)).toMatchObject({
    status: 'ok',
    record: { seq: 2n ** 60n, content: [{ role: 'user', content: 'by hand' }] },
  });
  expect(await eraseTranscripts(connection, { sessionId: 'conversation of Ann' })).toBe(3);
  await connection.close();

  const gone = ['llm_call input absent undefined', 'llm_call output absent undefined'];
  expect(await readAsTheReadmeDoes()).toEqual([...gone, input('Bob'), output('Bob')]);
  expect(await verify()).toEqual(before);
});

it('a server that is away is told of once, with a connection for events and one for transcripts', async () => {
  await using server = await startNats();
  await server.stop(); // Its port is known now, and nothing listens there.
  const env = { OTEL_SERVICE_NAME: 'talker', SPANLEDGER_NATS_URL: server.url, SPANLEDGER_TRANSCRIPTS: 'true', SECRET };
  await using app = new App('talks-to-model.mjs', { load: '@spanledger/node/register', env });
  await waitFor(
    () => 'it is told of',
    () => app.stderr.includes('NATS cannot be reached') || undefined,
  );
  await server.restart();
  // It waits for its transcript to be stored.
  expect(await app.ended()).toBe(0);
  expect(app.stderr.match(/^spanledger: NATS .*/gm)).toEqual([
    expect.stringContaining('NATS cannot be reached at'),
    'spanledger: NATS is reached now',
  ]);
});
