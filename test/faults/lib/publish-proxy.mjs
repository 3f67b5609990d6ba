import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const PUBLISH = 'HPUB ';

/**
 * Somebody between client and server who reads what is published, before the server does: a network without TLS.
 *
 * @typedef {{ subject: string, reply: string, messageId: string, data: Buffer }} Publish
 * @param {string} target `nats://host:port`
 * @param {(publish: Publish) => boolean | Promise<boolean>} onPublish whether it is passed on; what follows waits meanwhile
 * @returns {Promise<{ url: string, close(): Promise<void> }>}
 */
export async function startPublishProxy(target, onPublish) {
  const { hostname: host, port } = new URL(target);
  const sockets = new Set();
  const listener = createServer((client) => {
    const server = connect({ host, port: Number(port) });
    for (const socket of [client, server]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => {
        sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    server.pipe(client);
    void carry(client, server, onPublish).catch(() => client.destroy());
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    url: `nats://127.0.0.1:${listener.address().port}`,
    async close() {
      const closed = once(listener, 'close');
      listener.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function carry(client, server, onPublish) {
  let rest = Buffer.alloc(0);
  for await (const piece of client) {
    rest = Buffer.concat([rest, piece]);
    for (let frame = firstFrame(rest); frame !== undefined; frame = firstFrame(rest)) {
      if (frame.publish === undefined || (await onPublish(frame.publish))) server.write(rest.subarray(0, frame.length));
      rest = rest.subarray(frame.length);
    }
  }
}

/** One line; a publish with what follows it. @returns `undefined` while it is not whole */
function firstFrame(bytes) {
  const lineEnd = bytes.indexOf('\r\n');
  if (lineEnd < 0) return undefined;
  const line = bytes.toString('latin1', 0, lineEnd);
  const start = lineEnd + 2;
  if (!line.startsWith(PUBLISH)) return { length: start };
  const [, subject, reply, headerBytes, totalBytes] = line.split(' ');
  const length = start + Number(totalBytes) + 2;
  if (bytes.length < length) return undefined;
  const dataFrom = start + Number(headerBytes);
  const [, messageId] = /^Nats-Msg-Id: (.*)$/m.exec(bytes.toString('latin1', start, dataFrom));
  const data = Buffer.from(bytes.subarray(dataFrom, length - 2));
  return { length, publish: { subject, reply, messageId: messageId.trim(), data } };
}
