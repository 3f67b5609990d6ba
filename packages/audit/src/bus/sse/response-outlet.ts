import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { Outlet } from './event-client.ts';
import { retryText } from './sse-text.ts';

/** That of `node:http2` is much the same; what is not, has a `stream`. */
export type HttpResponse = ServerResponse & { readonly stream?: ServerHttp2Stream };

const HEADERS = {
  'Content-Type': 'text/event-stream',
  // Whoever compresses collects first: `no-transform` forbids it, to middlewares as well. And nginx collects without it.
  'Cache-Control': 'no-cache, no-transform',
  'X-Accel-Buffering': 'no',
};

/** The status and headers of a stream, without anything of it. */
export function writeHead(response: HttpResponse): void {
  response.statusCode = 200;
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
}

/** Begins the stream, so that the client knows at once that it is connected. */
export function openOutlet(response: HttpResponse, retryMs: number): Outlet {
  // Written to after its client is gone, and before we are told.
  response.on('error', () => {});
  writeHead(response);
  response.write(retryText(retryMs));
  return {
    write: (text) => response.write(text),
    end: () => void response.end(),
    close() {
      // The server is about to close, and would wait for a connection that is kept for another request. HTTP/2 has a goodbye of its own.
      const socket = response.req.httpVersionMajor < 2 ? response.socket : null;
      response.end(() => socket?.end());
    },
    destroy: () => void response.destroy(),
  };
}

/** Nobody is there any more to be answered. */
export function isGone({ socket }: IncomingMessage, response: HttpResponse): boolean {
  return response.destroyed || response.writableEnded || socket.destroyed;
}

/** Calls `leave` when the response is over, however it ends; perhaps more than once. */
export function whenGone(request: IncomingMessage, response: HttpResponse, leave: () => void): void {
  response.once('close', leave);
  // A pipelined request whose turn to be answered has not come is told of its connection's end in this way only.
  request.once('close', () => {
    if (request.socket.destroyed) leave();
  });
  // A stream of HTTP/2 that its client resets without an error is not closed before we close it.
  response.stream?.once('aborted', () => response.destroy());
}
