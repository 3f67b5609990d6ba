import { jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect as connectV3, headers } from '@nats-io/transport-node';
import type { AttemptStore } from '@spanledger/protocol';
import { startNats } from '@spanledger/testkit';
import type { NatsServer } from '@spanledger/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectNats, jetStreamAttemptStore } from '../src/index.ts';
import type { NatsConnectionLike } from '../src/index.ts';
import { encodeKey } from '../src/kv-key.ts';
import { CLIENTS, until } from './support.ts';

const KEY = { executionId: 'ex-1', stepId: 'research/search' };
const EVENT = '018f0000-0000-7000-8000-000000000000:1';

describe.each(['2.9', undefined])('on nats-server %s', (version) => {
  let server: NatsServer;
  beforeAll(async () => void (server = await startNats(version === undefined ? {} : { version })));
  afterAll(() => server?.close());

  describe.each(Object.entries(CLIENTS))('over %s', (name, connect) => {
    const bucket = `B_${name.replaceAll(/\W/g, '')}`;
    let connection: NatsConnectionLike;
    let store: AttemptStore;
    beforeAll(async () => {
      connection = await connect(server.url);
      store = jetStreamAttemptStore(connection, { bucket, ttlMs: 60_000 });
    });
    afterAll(() => connection.close());

    it('makes the bucket, and compares and sets', async () => {
      expect(await store.read(KEY)).toEqual({ revision: 0 });
      const first = await store.write(KEY, { epoch: 1 }, 0);
      expect(first).toBeGreaterThan(0);
      expect(await store.read(KEY)).toEqual({ record: { epoch: 1 }, revision: first });
      for (const stale of [0, first! + 1]) expect(await store.write(KEY, { epoch: 2 }, stale)).toBeUndefined();
      const second = await store.write(KEY, { epoch: 1, startedEventId: EVENT }, first!);
      expect(await store.read(KEY)).toEqual({ record: { epoch: 1, startedEventId: EVENT }, revision: second });
      expect(await store.write(KEY, { epoch: 2 }, first!)).toBeUndefined();
      expect(await store.read({ ...KEY, stepId: 'research' })).toEqual({ revision: 0 });
    });

    it('is made by many at once, and all can use it', async () => {
      const others = await Promise.all(Array.from({ length: 6 }, () => connect(server.url)));
      for (let n = 0; n < 20; n += 1) {
        const stores = others.map((other) => jetStreamAttemptStore(other, { bucket: `${bucket}_many_${n}` }));
        const found = await Promise.all(stores.map(async (each) => each.read(KEY)));
        expect(found).toEqual(stores.map(() => ({ revision: 0 })));
        const revisions = await Promise.all(
          stores.map(async (each, index) => each.write(KEY, { epoch: index + 1 }, 0)),
        );
        expect(revisions.filter((revision) => revision !== undefined)).toEqual([1]);
      }
      await Promise.all(others.map((other) => other.close()));
    });

    it('lets one of many win each round', async () => {
      const key = { executionId: 'race', stepId: 'a' };
      const wins: number[] = [];
      for (let round = 0, revision = 0; round < 5; round += 1) {
        const answers = await Promise.all(
          Array.from({ length: 20 }, async (_, n) => store.write(key, { epoch: n + 1 }, revision)),
        );
        const won = answers.filter((answer) => answer !== undefined);
        expect(won).toHaveLength(1);
        revision = won[0]!;
        wins.push(revision);
      }
      expect(new Set(wins).size).toBe(5);
    });

    it('is a bucket that other clients read, and may delete from', async () => {
      const other = await connectV3({ servers: server.url });
      const kv = await new Kvm(other).open(bucket);
      const status = await kv.status();
      expect([status.history, status.ttl, status.replicas]).toEqual([1, 60_000, 1]);
      const key = { executionId: '_kv.odd*', stepId: 'a=b c'.replace(' ', '>') };
      const revision = await store.write(key, { epoch: 3, startedEventId: EVENT }, 0);
      const entry = await kv.get('=5Fkv=2Eodd=2A.a=3Db=3Ec');
      expect(entry?.revision).toBe(revision);
      expect(entry?.json()).toEqual({ epoch: 3, started_event_id: EVENT });
      await kv.delete(entry!.key);
      const deleted = await store.read(key);
      expect(deleted).toEqual({ revision: expect.toSatisfy((n: number) => n > revision!) });
      expect(await store.write(key, { epoch: 4 }, 0)).toBeUndefined();
      expect(await store.write(key, { epoch: 4 }, deleted.revision)).toBeGreaterThan(deleted.revision);
      await other.close();
    });
  });

  // What nats-server 2.9 says now and then to one of many that make the bucket at once.
  it('waits for a bucket whose subjects are said to be of another stream, and says so if it does not come', async () => {
    const connection = await connectV3({ servers: server.url });
    const manager = await jetstreamManager(connection, { timeout: 30_000 });
    await manager.streams.add({ name: 'ELSEWHERE', subjects: ['$KV.LATE.some.thing.else'] });
    const store = (deadlineMs: number) => jetStreamAttemptStore(connection, { bucket: 'LATE', deadlineMs });
    const message = expect.stringMatching(/LATE does not exist and could not be created.*subjects overlap/);
    await expect(store(3_000).read(KEY)).rejects.toMatchObject({ code: 'SPANLEDGER_ATTEMPTS', message });
    const asked: string[] = [];
    const watching = connection.subscribe('$JS.API.STREAM.CREATE.KV_LATE', {
      callback: (_error, { subject }) => void asked.push(subject),
    });
    await connection.flush();
    const reading = store(120_000).read(KEY);
    await until(() => asked.length > 0);
    watching.unsubscribe();
    await manager.streams.delete('ELSEWHERE');
    // Unless the question had no answer yet: then whoever asked has made it.
    await new Kvm(connection).create('LATE').catch(() => {});
    expect(await reading).toEqual({ revision: 0 });
    await connection.close();
  });

  it('takes what the server marks as expired for none', async () => {
    const connection = await connectV3({ servers: server.url });
    const store = jetStreamAttemptStore(connection, { bucket: 'OTHERS', ttlMs: 60_000 });
    await store.read(KEY);
    const marked = headers();
    marked.set('Nats-Marker-Reason', 'MaxAge');
    const subject = `$KV.OTHERS.${encodeKey(KEY.executionId, KEY.stepId)}`;
    const answer = await connection.request(subject, '', { timeout: 30_000, headers: marked });
    expect(await store.read(KEY)).toEqual({ revision: answer.json<{ seq: number }>().seq });
    await connection.close();
  });

  it('forgets after the time to live, and begins anew', async () => {
    const connection = await connectNats({ servers: server.url });
    const store = jetStreamAttemptStore(connection, { bucket: 'SHORT', ttlMs: 1_000 });
    const read = async () => store.read(KEY);
    await read();
    await store.write(KEY, { epoch: 7 }, 0);
    await expect.poll(read, { timeout: 120_000, interval: 100 }).toEqual({ revision: 0 });
    expect(await store.write(KEY, { epoch: 8 }, 0)).toBeGreaterThan(0);
    await connection.close();
  });

  it('says that it has no answer, within its deadline, and goes on when there is one', async () => {
    await using own = await startNats(version === undefined ? {} : { version });
    const opened: NatsConnectionLike[] = [];
    const store = jetStreamAttemptStore(
      async (signal) => {
        const connection = await connectNats({ servers: own.url, signal });
        opened.push(connection);
        return connection;
      },
      { deadlineMs: 300 },
    );
    expect(opened).toEqual([]);
    const patient = jetStreamAttemptStore(connectNats({ servers: own.url }), { deadlineMs: 30_000 });
    await patient.read(KEY);
    const revision = await patient.write(KEY, { epoch: 1 }, 0);
    await own.kill();
    const away = { code: 'SPANLEDGER_ATTEMPTS', message: expect.stringContaining('WORKFLOW_ATTEMPTS cannot be used') };
    await expect(store.read(KEY)).rejects.toMatchObject(away);
    await expect(store.write(KEY, { epoch: 1 }, 0)).rejects.toMatchObject(away);
    await own.restart();
    const found = async () => store.read(KEY);
    await expect
      .poll(() => found().catch(() => undefined), { timeout: 120_000 })
      .toEqual({ record: { epoch: 1 }, revision });
    // A connection is opened once, whoever asks; and again if it is closed.
    expect(opened).toHaveLength(1);
    await opened[0]!.close();
    await expect.poll(() => found().catch(() => undefined), { timeout: 120_000 }).toMatchObject({ revision });
    expect(opened).toHaveLength(2);
    await store.close?.();
    expect(opened[1]!.isClosed()).toBe(true);
    await expect(store.read(KEY)).rejects.toMatchObject({ code: 'SPANLEDGER_ATTEMPTS' });
    await (await connectNats({ servers: own.url })).close();
  });
});

describe('an account', () => {
  const config = (allowed: readonly string[]): string => `
    authorization { users: [
      { user: admin, password: admin }
      { user: svc, password: svc, permissions: {
        publish: { allow: ${JSON.stringify(allowed)} }, subscribe: { allow: ["_INBOX_svc.>"] }
      } }
    ] }`;
  const READ = '$JS.API.STREAM.MSG.GET.KV_WORKFLOW_ATTEMPTS';
  const WRITE = '$KV.WORKFLOW_ATTEMPTS.>';
  const CREATE = '$JS.API.STREAM.CREATE.KV_WORKFLOW_ATTEMPTS';
  const settings = { user: 'svc', pass: 'svc', inboxPrefix: '_INBOX_svc' };

  describe.each(Object.entries(CLIENTS))('over %s', (_name, connect) => {
    it('that may read, write and create needs nothing else', async () => {
      await using server = await startNats({ config: config([READ, WRITE, CREATE]) });
      const connection = await connect(server.url, settings);
      const store = jetStreamAttemptStore(connection);
      expect(await store.read(KEY)).toEqual({ revision: 0 });
      const revision = await store.write(KEY, { epoch: 1 }, 0);
      expect(await store.read(KEY)).toEqual({ record: { epoch: 1 }, revision });
      await connection.close();
    });

    it('that may not create is told how to, and that it may not', async () => {
      await using server = await startNats({ config: config([READ, WRITE]) });
      const connection = await connect(server.url, settings);
      const store = jetStreamAttemptStore(connection, { replicas: 3, deadlineMs: 30_000 });
      const command = 'nats kv add WORKFLOW_ATTEMPTS --history=1 --ttl=2592000000ms --storage=file --replicas=3';
      const error = await Promise.resolve(store.read(KEY)).catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code: 'SPANLEDGER_ATTEMPTS' });
      expect(String(error)).toContain(command);
      expect(String(error)).toContain(`no permission to publish ${CREATE}`);
      await connection.close();
    });

    it.each([
      ['read', [WRITE, CREATE], READ],
      ['write', [READ, CREATE], '$KV.WORKFLOW_ATTEMPTS.ex-1.research/search'],
    ])('that may not %s is told so', async (_what, allowed, denied) => {
      await using server = await startNats({ config: config(allowed) });
      const connection = await connect(server.url, settings);
      const store = jetStreamAttemptStore(connection, { deadlineMs: 30_000 });
      const asked = (async () => {
        await store.read(KEY);
        await store.write(KEY, { epoch: 1 }, 0);
      })();
      const message = expect.stringContaining(`no permission to publish ${denied}`);
      await expect(asked).rejects.toMatchObject({ code: 'SPANLEDGER_ATTEMPTS', message });
      await connection.close();
    });
  });

  it('without JetStream, or with too few servers for its copies, is told so', async () => {
    await using server = await startNats({ config: 'accounts { A { users: [{ user: a, password: a }] } }' });
    const connection = await connectNats({ servers: server.url, user: 'a', pass: 'a' });
    const off = jetStreamAttemptStore(connection, { deadlineMs: 30_000 });
    await expect(off.read(KEY)).rejects.toMatchObject({ code: 'SPANLEDGER_ATTEMPTS' });
    await connection.close();
    await using alone = await startNats();
    const other = await connectNats({ servers: alone.url });
    const copies = jetStreamAttemptStore(other, { replicas: 3 });
    await expect(copies.read(KEY)).rejects.toMatchObject({
      message: expect.stringContaining('JetStream says: replicas > 1'),
    });
    await other.close();
  });
});

describe('a value that is no record', () => {
  it.each(['', 'no json', 'null', '[]', '"x"', '{"epoch":"2"}'])(
    '%j is handed on, for its reader to judge',
    async (text) => {
      await using server = await startNats();
      const connection = await connectV3({ servers: server.url });
      const store = jetStreamAttemptStore(connection);
      await store.read(KEY);
      await (await new Kvm(connection).open('WORKFLOW_ATTEMPTS')).put(encodeKey('ex-1', 'research/search'), text);
      const { record } = await store.read(KEY);
      expect(record).toBeDefined();
      expect(record?.epoch).not.toEqual(expect.any(Number));
      await connection.close();
    },
  );
});

describe('a key', () => {
  const id = fc.string({
    unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
    minLength: 1,
    maxLength: 128,
  });

  it('is one of a KV bucket, and of its ids alone', () => {
    const decode = (key: string): string[] =>
      key
        .split('.')
        .map((token) => token.replaceAll(/=(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))));
    fc.assert(
      fc.property(id, id, (executionId, stepId) => {
        const key = encodeKey(executionId, stepId);
        expect(key).toMatch(/^[-/_=.a-zA-Z0-9]+$/);
        expect(key).not.toMatch(/^_|^\.|\.$|\.\./);
        expect(decode(key)).toEqual([executionId, stepId]);
      }),
      { numRuns: 1_000 },
    );
    expect(encodeKey('018f-a_b', 'research/search')).toBe('018f-a_b.research/search');
  });
});

it('says that a connection could not be opened when it is asked, and not before', async () => {
  const store = jetStreamAttemptStore(Promise.reject(new Error('no credentials')));
  await new Promise((resolve) => setImmediate(resolve));
  await expect(store.read(KEY)).rejects.toMatchObject({ message: expect.stringContaining('no credentials') });
});

describe('options', () => {
  it.each([
    [{ bucket: 'a.b' }, 'bucket'],
    [{ ttlMs: 999 }, 'ttlMs'],
    [{ replicas: 6 }, 'replicas'],
    [{ deadlineMs: 0 }, 'deadlineMs'],
    [{ onUnavailable: 'never' as never }, 'onUnavailable'],
  ])('%j is refused', (options, name) => {
    const refused = expect.objectContaining({ code: 'SPANLEDGER_OPTION', message: expect.stringContaining(name) });
    expect(() => jetStreamAttemptStore(() => Promise.reject(new Error('unused')), options)).toThrow(refused);
  });
});
