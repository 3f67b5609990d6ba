import { startNats, testAuditSink } from '@spanledger/testkit';
import type { AuditSinkHarness, NatsServerOptions } from '@spanledger/testkit';
import { jetStreamSink } from '../src/index.ts';
import type { NatsConnectionLike } from '../src/index.ts';
import { CLIENTS, observer, readAll } from './support.ts';

for (const [client, connect] of Object.entries(CLIENTS)) {
  testAuditSink(`jetstream over ${client}`, () => create(connect, {}));
  testAuditSink(`jetstream over ${client}, nats-server 2.9`, () => create(connect, { version: '2.9' }));
}

async function create(
  connect: (url: string) => Promise<NatsConnectionLike>,
  options: NatsServerOptions,
): Promise<AuditSinkHarness> {
  const server = await startNats(options);
  const watching = await observer(server.url);
  const connection = await connect(server.url);
  return {
    sink: jetStreamSink({ connection }),
    read: async () => (await readAll(watching)).map(({ bytes }) => bytes),
    stall: async () => server.pause(),
    dispose: async () => {
      server.resume();
      await Promise.all([watching.close(), connection.close()]);
      await server.close();
    },
  };
}
