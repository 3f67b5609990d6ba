import { cpSync, rmSync } from 'node:fs';
import path from 'node:path';

/**
 * What a server's store holds at one moment: what a power cut leaves of it some moments later, or a backup that is put back.
 *
 * @param {import('@spanledger/testkit').NatsServer} server stands still meanwhile
 * @param {string} place where the copy is kept; the one before is overwritten
 * @returns puts it back, in place of all that was stored since. The server must be down
 */
export async function snapshotStore(server, place) {
  const store = path.join(server.dir, 'store');
  await server.pause();
  try {
    copy(store, place);
  } finally {
    server.resume();
  }
  return () => copy(place, store);
}

function copy(from, to) {
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true, preserveTimestamps: true });
}
