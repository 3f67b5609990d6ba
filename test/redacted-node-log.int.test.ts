import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { diag } from '@opentelemetry/api';
import { createAuditPipeline, memorySink } from '@spanledger/audit';
import { connectNats } from '@spanledger/jetstream';
import type { AuditSink } from '@spanledger/protocol';
import { startNats } from '@spanledger/testkit';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { eventually, newScope } from '../packages/audit/test/support.ts';
import { placeProblem } from '../packages/node/src/journal-place.ts';
import { openOwnJournal } from '../packages/node/src/open-journal.ts';
import { openLedger } from '../packages/node/src/open-ledger.ts';
import { NatsConnector } from '../packages/node/src/open-nats.ts';
import { resolveNats } from '../packages/node/src/resolve-nats.ts';
import { assemble } from '../packages/node/src/assemble.ts';
import { NodeProcess } from '../packages/node/test/node-process.ts';
import { captureLog, leaked } from './support/captured-log.ts';
import { namesWithSecrets, said } from './support/planted-log.ts';

const MEMORY = '/dev/shm';
const names = namesWithSecrets(3);
const root = mkdtempSync(path.join(tmpdir(), 'redacted-'));

afterEach(() => {
  diag.disable();
  vi.restoreAllMocks();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

type Config = Parameters<typeof openLedger>[0];
const configWith = (config: Partial<Config>): Config => ({ producer: 'careless', ...config }) as Config;
const open = (config: Config): AuditSink => openLedger(config, new NatsConnector(config.producer));
const journalAt = (directory: string): Config => configWith({ journal: { directory, isAskedFor: false } });

it('where a journal cannot be is in our log without secrets', () => {
  const logged = captureLog();
  for (const { secret } of names) {
    const file = path.join(root, secret);
    writeFileSync(file, '');
    expect(openOwnJournal(journalAt(path.join(file, 'journals')))).toBeUndefined();
  }
  expect(said(logged, 'there is no journal', names)).toEqual({ redacted: names.length, leaked: [] });
});

it.skipIf(placeProblem(MEMORY) === undefined)(
  'where a journal should not be is in our log without secrets',
  async () => {
    const logged = captureLog();
    for (const { secret } of names) {
      const folder = mkdtempSync(path.join(MEMORY, 'redacted-'));
      await openOwnJournal(journalAt(path.join(folder, secret)))!.close();
      rmSync(folder, { recursive: true });
    }
    expect(said(logged, 'mount a volume', names)).toEqual({ redacted: names.length, leaked: [] });
  },
);

it('where the local ledger is, is in our log without secrets', async () => {
  const logged = captureLog();
  for (const { secret } of names) {
    vi.spyOn(process, 'cwd').mockReturnValue(path.join(root, `of ${secret}`));
    await open(configWith({})).close(0);
  }
  expect(said(logged, 'the ledger is a local file', names)).toEqual({ redacted: names.length, leaked: [] });
});

/** One event, and one transcript, for streams of that name; as long as it takes until so many lines have been logged. */
async function publishTo(sink: AuditSink, logged: readonly string[], lines: readonly string[]): Promise<void> {
  const pipeline = createAuditPipeline({ producer: 'careless', sink, transcripts: true });
  pipeline.emit(newScope(), { event: 'payment', content: [{ kind: 'input', content: 'x' }] });
  for (const line of lines) await eventually(() => expect(logged.join('\n')).toContain(line));
  await pipeline.shutdown(1);
}

it('what streams are called, and what is wrong with them, is in our log without secrets', async () => {
  const lines = [
    'neither made nor checked',
    'transcripts: the stream was neither',
    'does not store events',
    'transcripts: stream',
  ];
  await using nats = await startNats({
    config:
      'authorization { users: [{ user: "svc", password: "pw", permissions: { publish: { allow: ">", deny: "$JS.API.>" }, subscribe: ">" } }] }',
  });
  for (const planted of names) {
    const logged = captureLog();
    const servers = nats.url.replace('://', '://svc:pw@');
    const stream = { stream: planted.secret };
    const sink = open(
      configWith({
        nats: resolveNats({ servers, stream }, {}),
        transcripts: { stream, spans: undefined },
      }),
    );
    await publishTo(sink, logged, lines);
    for (const line of lines)
      expect({ line, ...said(logged, line, [planted]) }).toEqual({ line, redacted: 1, leaked: [] });
  }
}, 120_000);

it('how a stream is set up by others is in our log without secrets', async () => {
  const logged = captureLog();
  await using nats = await startNats();
  const connection = await connectNats({ servers: nats.url });
  for (const [i, { secret }] of names.entries()) {
    const name = `S${i}`;
    const config = { name, subjects: [`careless.${secret}`], retention: 'limits', storage: 'file' };
    await connection.request(`$JS.API.STREAM.CREATE.${name}`, JSON.stringify(config));
    const servers = nats.url;
    const sink = open(configWith({ nats: resolveNats({ servers, stream: { stream: name } }, {}) }));
    const pipeline = createAuditPipeline({ producer: 'careless', sink });
    pipeline.emit(newScope(), { event: 'payment' });
    const expected = { redacted: i + 1, leaked: [] };
    await eventually(() => expect(said(logged, 'exists and is not changed', names.slice(0, i + 1))).toEqual(expected));
    await pipeline.shutdown(1);
  }
  await connection.close();
}, 120_000);

it('a password in the address of a server is not in our log', async () => {
  const logged = captureLog();
  await using nats = await startNats({ config: 'authorization { user: "svc", password: "pw" }' });
  for (const { secret } of names) {
    const before = logged.length;
    const servers = nats.url.replace('://', `://svc:${secret}@`);
    const sink = open(configWith({ nats: resolveNats({ servers }, {}) }));
    const pipeline = createAuditPipeline({ producer: 'careless', sink });
    pipeline.emit(newScope(), { event: 'payment' });
    await eventually(() => expect(logged.slice(before).join('\n')).toContain('NATS cannot be reached'));
    await pipeline.shutdown(1);
  }
  expect(leaked(names, logged.join('\n'))).toEqual([]);
}, 120_000);

it('why a journal that is not needed stays is in our log without secrets', async () => {
  const logged = captureLog();
  for (const { secret } of names) {
    const directory = path.join(root, `journal of ${secret}`);
    const config = {
      ...journalAt(directory),
      sink: memorySink(),
      audit: [],
      queueMaxBytes: -1,
      // Read between the journal and the pipeline, which cannot be made.
      get bus(): undefined {
        renameSync(directory, `${directory}.gone`);
        writeFileSync(directory, '');
        return undefined;
      },
    };
    expect(() => assemble(config as unknown as Config, {})).toThrow('queueMaxBytes');
  }
  await eventually(() => {
    expect(said(logged, 'the unused journal could not be removed', names)).toEqual({
      redacted: names.length,
      leaked: [],
    });
  });
});

it('why a process is not started is on its standard error without secrets', async () => {
  const [planted] = namesWithSecrets(1);
  const name = `${planted!.secret} ${'x'.repeat(128)}`;
  const service = new NodeProcess('end.mjs', { load: 'register', env: { OTEL_SERVICE_NAME: name } });
  expect(await service.ended()).toMatchObject({ code: 1 });
  expect(service.stderr).toMatch(/^spanledger: producer .*\[REDACTED\]/);
  expect(leaked([planted!], service.stderr)).toEqual([]);
});
