import type { Server } from 'node:net';

/** Before it listens. @returns what breaks its connections off, also of HTTP/2, whose servers have no `closeAllConnections`. */
export function cutOf(server: Server): () => void {
  const cuts = new Set<() => void>();
  server.on('connection', (socket) => {
    const cut = (): void => void socket.destroy();
    cuts.add(cut);
    socket.once('close', () => cuts.delete(cut));
  });
  return () => cuts.forEach((cut) => cut());
}
