import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RunOutcome } from './run-lifecycle.ts';

/** What a finished response says of the request. */
export function outcomeOfStatus(statusCode: number): RunOutcome {
  return statusCode >= 500 ? { status: 'error', error: `HTTP ${statusCode}` } : { status: 'ok' };
}

/**
 * Calls `settle` once, when nothing more can happen to the response, and before other `close` listeners: the entry span
 * of HTTP instrumentation ends in one of those.
 *
 * @param settle is given what ended the response before it was finished: the client or ourselves; `undefined` if it was.
 */
export function whenServed(
  request: IncomingMessage,
  response: ServerResponse,
  settle: (interruption: RunOutcome | undefined) => void,
): void {
  // HTTP/2 hides its socket, and its streams end one by one.
  const socket = request.httpVersionMajor < 2 ? request.socket : undefined;
  let finished = false;
  let settled = false;

  function end(): void {
    if (settled) return;
    settled = true;
    settle(finished ? undefined : interruption());
  }

  function interruption(): RunOutcome {
    const error = (response as { errored?: Error | null }).errored;
    if (error) return { status: 'error', error };
    const clientLeft = socket === undefined || socket.readableEnded || Boolean(socket.errored);
    return clientLeft
      ? { status: 'cancelled', reason: 'client closed the connection' }
      : { status: 'error', error: 'connection closed before the response was finished' };
  }

  // HTTP/2 emits `finish` for a stream that was reset as well.
  response.prependOnceListener('finish', () => (finished = response.writableEnded));
  response.prependOnceListener('close', end);
  // A pipelined request whose turn to be answered has not come is told of its connection's end in this way only.
  request.once('close', () => {
    if (socket?.destroyed) end();
  });
}
