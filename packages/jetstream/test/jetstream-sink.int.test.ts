import { startNats, testAuditSink } from '@spanledger/testkit';
import { jetStreamSink } from '../src/index.ts';
import { CLIENTS, observer, readAll } from './support.ts';

for (const [client, connect] of Object.entries(CLIENTS)) {
  testAuditSink(`jetstream over ${client}`, async () => {
    const server = await startNats();
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
  });
}
