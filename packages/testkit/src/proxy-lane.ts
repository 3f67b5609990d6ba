import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** I7: read and not yet written; what is beyond it waits in the kernel, and then at the sender. */
const HELD_MAX_BYTES = 1024 * 1024;

/**
 * One direction of a proxied connection. Pieces keep their order, whatever each has to wait for.
 *
 * @param delayMs asked for each piece as it comes
 * @param carry what is done with a piece when its time has come; it may wait
 */
export function runLane(
  from: Socket,
  to: Socket,
  delayMs: () => number,
  carry: (piece: Buffer) => Promise<void> | void,
): void {
  let heldBytes = 0;
  let last = Promise.resolve();
  from.on('data', (piece: Buffer) => {
    const dueMs = performance.now() + delayMs();
    heldBytes += piece.length;
    if (heldBytes > HELD_MAX_BYTES) from.pause();
    last = last.then(async () => {
      const earlyMs = dueMs - performance.now();
      if (earlyMs > 0) await sleep(earlyMs);
      await carry(piece);
      heldBytes -= piece.length;
      if (heldBytes <= HELD_MAX_BYTES) from.resume();
    });
  });
  from.on('end', () => void last.then(() => to.end()));
}

/** Writes, and waits until the kernel has taken it, or there is nobody any more to write to. */
export function written(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.write(bytes, () => resolve());
  });
}
