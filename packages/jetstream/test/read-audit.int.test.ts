import { encodeSubject } from '@spanledger/protocol';
import type { SealedEvent } from '@spanledger/protocol';
import { startNats } from '@spanledger/testkit';
import { describe, expect, it } from 'vitest';
import { jetStreamSink, readAudit } from '../src/index.ts';
import type { NatsConnectionLike, ReadAuditOptions } from '../src/index.ts';
import { CLIENTS, interleave, observer, parse, readAll, sealRun, until } from './support.ts';

async function store(connection: NatsConnectionLike, events: readonly SealedEvent[], subject?: string): Promise<void> {
  const sink = jetStreamSink({ connection, ...(subject !== undefined && { subject }) });
  await Promise.all(events.map((event) => sink.writeEvent(event)));
  await sink.close();
}

const ids = (events: readonly SealedEvent[]) => events.map(({ runId, seq }) => ({ runId, seq }));
const versions = ['2.9', undefined];

describe.each(versions.flatMap((version) => Object.entries(CLIENTS).map((client) => [version, ...client] as const)))(
  'nats-server %s over %s',
  (version, _name, connect) => {
    const options = version === undefined ? {} : { version };

    it('reads a part of the stream or all of it, to the end, in order', async () => {
      await using server = await startNats(options);
      const watching = await observer(server.url);
      const connection = await connect(server.url);
      const mine = sealRun(1_700, { executionId: 'a.b*c>d%', workflowId: 'wf-1', producer: 'svc-1' });
      const theirs = sealRun(1_700, { executionId: 'exec-2', workflowId: 'wf-2', producer: 'svc-2' });
      await store(connection, interleave([mine, theirs]));

      const all = await readAll(connection);
      expect(parse(all)).toEqual(ids(interleave([mine, theirs])));
      expect(all.map(({ streamSeq }) => streamSeq)).toEqual(all.map((_, index) => index + 1));
      expect(all[0]!.subject).toBe(mine[0]!.subject);
      expect(Buffer.compare(all[0]!.bytes, mine[0]!.bytes)).toBe(0);
      expect(Math.abs(all[0]!.storedAtMs! - Date.now())).toBeLessThan(60_000);

      const expectRead = async (wanted: ReadAuditOptions, events: readonly SealedEvent[]): Promise<void> =>
        expect(parse(await readAll(connection, wanted))).toEqual(ids(events));
      await expectRead({ execution: 'a.b*c>d%' }, mine);
      await expectRead({ workflow: 'wf-2' }, theirs);
      await expectRead({ producer: 'svc-2', flat: false }, theirs);
      await expectRead({ producer: 'svc-2', execution: 'a.b*c>d%' }, []);
      await expectRead({ execution: 'nobody' }, []);
      await expectRead({ fromSeq: 3_399 }, [mine.at(-1)!, theirs.at(-1)!]);
      await expectRead({ fromSeq: 99_999 }, []);
      await expectRead({ since: new Date(Date.now() + 3_600_000) }, []);
      await Promise.all([connection.close(), watching.close()]);
    });

    it('finds flat events among the others, in order', async () => {
      await using server = await startNats(options);
      const watching = await observer(server.url);
      const connection = await connect(server.url);
      const [mine, theirs] = [sealRun(60), sealRun(60, { executionId: 'exec-2' })];
      for (const part of [0, 20, 40]) {
        await store(connection, interleave([mine.slice(part, part + 10), theirs.slice(part, part + 10)]), 'auditEvent');
        await store(connection, interleave([mine.slice(part + 10, part + 20), theirs.slice(part + 10, part + 20)]));
      }
      expect(parse(await readAll(connection, { execution: 'exec-1' }))).toEqual(ids(mine));
      const structured = mine.filter(({ seq }) => (seq - 1) % 20 >= 10);
      expect(parse(await readAll(connection, { execution: 'exec-1', flat: false }))).toEqual(ids(structured));
      await Promise.all([connection.close(), watching.close()]);
    });

    it("reads a producer's events of no execution", async () => {
      await using server = await startNats(options);
      const watching = await observer(server.url);
      const connection = await connect(server.url);
      const subject = encodeSubject({ producer: 'svc' });
      const own = sealRun(3, { subject });
      await store(
        connection,
        interleave([sealRun(3), own, sealRun(3, { subject: encodeSubject({ producer: 'other' }) })]),
      );
      expect(parse(await readAll(connection, { producer: 'svc', execution: '' }))).toEqual(ids(own));
      await Promise.all([connection.close(), watching.close()]);
    });

    it('goes on live, over a restart of the server, until it is aborted', async () => {
      await using server = await startNats(options);
      const watching = await observer(server.url);
      const connection = await connect(server.url);
      const run = sealRun(300);
      await store(connection, interleave([run.slice(0, 100), sealRun(100, { executionId: 'exec-2' })]));
      const abort = new AbortController();
      const read: number[] = [];
      const reading = (async () => {
        const records = readAudit(connection, { execution: 'exec-1', live: true, signal: abort.signal });
        for await (const record of records) read.push(parse([record])[0]!.seq);
      })();
      await until(() => read.length === 100);
      await store(watching, run.slice(100, 200));
      await until(() => read.length === 200);
      await server.kill('SIGKILL');
      await server.restart();
      await store(watching, run.slice(200));
      await until(() => read.length === 300);
      expect(read).toEqual(run.map(({ seq }) => seq));
      abort.abort();
      await reading;
      await Promise.all([connection.close(), watching.close()]);
    });
  },
);

it('leaves no consumer behind when a reader stops early', async () => {
  await using server = await startNats();
  const watching = await observer(server.url);
  await store(watching, sealRun(3_000));
  for await (const record of readAudit(watching)) if (record.streamSeq === 10) break;
  const consumers = async (): Promise<number> => {
    const reply = await watching.request('$JS.API.CONSUMER.NAMES.AUDIT_EVENTS', '', { timeout: 30_000 });
    return reply.json<{ total: number }>().total;
  };
  await expect.poll(consumers, { timeout: 120_000 }).toBe(0);
  await watching.close();
});

it('holds back what a slow reader has not asked for', async () => {
  await using server = await startNats();
  const watching = await observer(server.url);
  await store(watching, sealRun(5_000));
  const before = watching.stats().inMsgs;
  const records = readAudit(watching)[Symbol.asyncIterator]();
  await records.next();
  for (let i = 0; i < 20; i += 1) await watching.flush();
  expect(watching.stats().inMsgs - before).toBeLessThan(2_100);
  let count = 1;
  for await (const record of records) count += record.streamSeq > 0 ? 1 : 0;
  expect(count).toBe(5_000);
  await watching.close();
});

it('says so when there is no stream, or a cursor makes no sense', async () => {
  await using server = await startNats();
  const connection = await CLIENTS['nats 2']!(server.url);
  await expect(readAll(connection)).rejects.toMatchObject({ code: 'SPANLEDGER_STREAM' });
  await expect(readAll(connection, { live: true })).rejects.toMatchObject({ code: 'SPANLEDGER_STREAM' });
  await expect(readAll(connection, { fromSeq: 0 })).rejects.toMatchObject({ code: 'SPANLEDGER_OPTION' });
  await connection.close();
});
