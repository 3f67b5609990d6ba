import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type FaultProxy, startFaultProxy } from '@spanledger/testkit';
import { expect, onTestFinished, test } from 'vitest';

/** A server that answers every byte with the same byte, and keeps what it was sent. */
async function startEcho() {
  const received: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (data) => {
      received.push(data);
      socket.write(data);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const url = `nats://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, sockets, text: () => Buffer.concat(received).toString() };
}

async function startBoth() {
  const echo = await startEcho();
  const proxy = await startFaultProxy(echo.url);
  onTestFinished(() => proxy.close());
  return { echo, proxy };
}

async function connectTo(proxy: FaultProxy) {
  const socket = connect({ host: '127.0.0.1', port: proxy.port });
  onTestFinished(() => void socket.destroy());
  let text = '';
  let failure: NodeJS.ErrnoException | undefined;
  socket.on('data', (data) => (text += data.toString()));
  socket.on('error', (error) => (failure = error));
  await once(socket, 'connect');
  return { socket, text: () => text, failure: () => failure };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(5);
}

test('carries both directions, and the end of one', async () => {
  const { echo, proxy } = await startBoth();
  const { socket, text } = await connectTo(proxy);
  const sent = Array.from({ length: 2_000 }, (_, i) => `line ${i}\n`);
  for (const line of sent) socket.write(line);
  await until(() => text() === sent.join(''));
  expect([proxy.connections, proxy.accepted]).toEqual([1, 1]);
  socket.end();
  await until(() => proxy.connections === 0);
  expect(echo.text()).toBe(sent.join(''));
});

test('carries more than it may hold', async () => {
  const { proxy } = await startBoth();
  const { socket, text } = await connectTo(proxy);
  socket.write(Buffer.alloc(8 * 1024 * 1024, 'x'));
  await until(() => text().length >= 8 * 1024 * 1024);
  expect(text()).toHaveLength(8 * 1024 * 1024);
});

test('cuts all connections with a reset, and takes new ones', async () => {
  const { proxy } = await startBoth();
  const first = await connectTo(proxy);
  const second = await connectTo(proxy);
  await until(() => proxy.connections === 2);
  expect(proxy.cutAll()).toBe(2);
  await until(() => first.socket.destroyed && second.socket.destroyed);
  expect(first.failure()?.code).toBe('ECONNRESET');
  const third = await connectTo(proxy);
  third.socket.write('again');
  await until(() => third.text() === 'again');
  expect([proxy.connections, proxy.accepted]).toEqual([1, 3]);
});

test('cuts in the middle of what a client sends', async () => {
  const { echo, proxy } = await startBoth();
  const { socket } = await connectTo(proxy);
  const cut = proxy.cutMidFrame();
  socket.write('0123456789');
  await cut;
  await until(() => socket.destroyed && proxy.connections === 0);
  expect(echo.text()).toBe('01234');
});

test('holds everything while paused, in order, and loses nothing', async () => {
  const { echo, proxy } = await startBoth();
  const { socket, text } = await connectTo(proxy);
  socket.write('a');
  await until(() => text() === 'a');
  proxy.pause();
  socket.write('b');
  socket.write('c');
  await delay(50);
  expect([echo.text(), text()]).toEqual(['a', 'a']);
  proxy.resume();
  await until(() => text() === 'abc');
});

test('loses what the client sends, and resets what lost something when it resumes', async () => {
  const { echo, proxy } = await startBoth();
  const { socket } = await connectTo(proxy);
  await until(() => proxy.connections === 1);
  proxy.dropClientToServer();
  socket.write('into the void');
  await until(() => proxy.lostBytes === 13);
  await delay(50);
  expect(echo.text()).toBe('');
  expect(socket.destroyed).toBe(false);
  proxy.resume();
  await until(() => socket.destroyed);
});

test('loses answers only, and spares a connection that lost none', async () => {
  const { echo, proxy } = await startBoth();
  const quiet = await connectTo(proxy);
  const { socket, text } = await connectTo(proxy);
  proxy.dropServerToClient();
  socket.write('heard');
  await until(() => echo.text() === 'heard' && proxy.lostBytes === 5);
  await delay(50);
  expect(text()).toBe('');
  proxy.resume();
  await until(() => socket.destroyed);
  quiet.socket.write('still here');
  await until(() => quiet.text() === 'still here');
});

test('delays what comes', async () => {
  const { proxy } = await startBoth();
  const { socket, text } = await connectTo(proxy);
  proxy.delay(100);
  const startedMs = performance.now();
  socket.write('1');
  await until(() => text() === '1');
  expect(performance.now() - startedMs).toBeGreaterThan(195); // There and back.
});

test('does not mix up what comes before and after the end of a delay', async () => {
  const { echo, proxy } = await startBoth();
  const { socket } = await connectTo(proxy);
  await until(() => proxy.connections === 1);
  for (let n = 1; n <= 10; n += 1) {
    const sent = echo.text().length;
    proxy.delay(100);
    socket.write('1');
    // As a rule it has come to the proxy by then; otherwise it is not delayed, and first all the same.
    await delay(20);
    proxy.delay(0);
    socket.write('2');
    await until(() => echo.text().length === sent + 2);
    expect(echo.text().slice(sent)).toBe('12');
  }
});

test('closes the connections of clients whose server is not there', async () => {
  const proxy = await startFaultProxy('nats://127.0.0.1:1');
  onTestFinished(() => proxy.close());
  const { socket } = await connectTo(proxy);
  await until(() => socket.destroyed);
  expect(proxy.connections).toBe(0);
});
