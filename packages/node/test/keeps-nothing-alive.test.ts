import { once } from 'node:events';
import { createConnection, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { keepsNothingAlive } from '../src/keeps-nothing-alive.ts';

it('lets go of timers and sockets that its function makes, now and later, and of no others', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const timer = (): NodeJS.Timeout => setTimeout(() => {}, 60_000);
  const dial = (): Socket => createConnection(port, '127.0.0.1');

  const marked = keepsNothingAlive(() => ({ now: timer(), socket: dial(), later: turn().then(timer) }));
  const other = { now: timer(), socket: dial(), later: turn().then(timer) };
  const [markedLater, otherLater] = await Promise.all([marked.later, other.later, once(marked.socket, 'connect')]);
  await turn();

  expect([marked.now.hasRef(), markedLater.hasRef(), hasRef(marked.socket)]).toEqual([false, false, false]);
  expect([other.now.hasRef(), otherLater.hasRef(), hasRef(other.socket)]).toEqual([true, true, true]);

  for (const one of [marked.now, markedLater, other.now, otherLater]) clearTimeout(one);
  marked.socket.destroy();
  other.socket.destroy();
  server.close();
});

/** Node has no public way to ask. */
function hasRef(socket: Socket): boolean | undefined {
  // oxlint-disable-next-line no-underscore-dangle -- Node's name
  return (socket as Socket & { _handle?: { hasRef(): boolean } })._handle?.hasRef();
}
