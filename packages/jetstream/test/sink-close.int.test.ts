import { startNats } from '@spanledger/testkit';
import { expect, it } from 'vitest';
import { jetStreamSink } from '../src/index.ts';
import { CLIENTS, observer, readAll, sealRun } from './support.ts';

it.each(Object.entries(CLIENTS))(
  'closes its own connection over %s when it is asked again after that has failed',
  async (_name, connect) => {
    await using server = await startNats();
    const watching = await observer(server.url);
    const connection = await connect(server.url);
    const close = connection.close.bind(connection);
    let tries = 0;
    connection.close = async () => {
      tries += 1;
      if (tries === 1) throw new Error('not now');
      await close();
    };
    const sink = jetStreamSink({ connection: async () => connection });
    expect(await sink.writeEvent(sealRun(1)[0]!)).toMatchObject({ status: 'stored' });
    await expect(sink.close(60_000)).rejects.toThrow('not now');
    await sink.close(60_000);
    await sink.close();
    expect(connection.isClosed()).toBe(true);
    expect(tries).toBe(2);
    expect(await readAll(watching)).toHaveLength(1);
    await watching.close();
  },
);
