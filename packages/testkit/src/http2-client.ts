import { once } from 'node:events';
import http2 from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { Readable } from 'node:stream';
import { dataOf } from './raw-stream.ts';
import type { RawAnswer } from './raw-stream.ts';

export interface FetchInit {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A client of one server over HTTP/2 without TLS. As in a browser, all of its requests share one connection, as long as that is there. */
export class Http2Client {
  #session: ClientHttp2Session | undefined;

  /** As the global one, as far as tests and `EventSource` need it. */
  readonly fetch = async (
    url: string | URL,
    { method = 'GET', headers = {}, signal }: FetchInit = {},
  ): Promise<Response> => {
    const stream = this.#request(url, { ...headers, ':method': method });
    signal?.addEventListener('abort', () => stream.close(http2.constants.NGHTTP2_CANCEL));
    const answer = await new Promise<IncomingHttpHeaders & { ':status'?: number }>((resolve, reject) => {
      stream.once('response', resolve).once('error', reject);
      stream.once('close', () => reject(new Error('the connection was broken off')));
    });
    const status = answer[':status']!;
    const fields = Object.entries(answer).filter(([name]) => !name.startsWith(':')) as [string, string][];
    const body = method === 'HEAD' || status === 204 ? null : (Readable.toWeb(stream) as ReadableStream);
    return new Response(body, { status, headers: fields });
  };

  raw(url: string, headers: Readonly<Record<string, string>> = {}): RawAnswer {
    return new RawHttp2Stream(this.#request(url, headers));
  }

  close(): void {
    this.#session?.destroy();
  }

  #request(url: string | URL, headers: Readonly<Record<string, string>>): ClientHttp2Stream {
    const { origin, pathname, search } = new URL(url);
    // HTTP/2 has no such header.
    const { connection: _, ...rest } = headers;
    if (this.#session === undefined || this.#session.closed || this.#session.destroyed) {
      this.#session = http2.connect(origin).on('error', () => {});
    }
    return this.#session.request({ ...rest, ':path': pathname + search }).on('error', () => {});
  }
}

class RawHttp2Stream implements RawAnswer {
  head = '';
  isEnded = false;
  readonly socket: ClientHttp2Stream;
  readonly closed: Promise<unknown>;
  #body = '';

  constructor(stream: ClientHttp2Stream) {
    this.socket = stream;
    stream.once('response', (headers) => {
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${String(value)}`);
      this.head = lines.join('\r\n').toLowerCase();
    });
    stream.on('data', (data: Buffer) => (this.#body += data.toString('latin1')));
    stream.once('end', () => (this.isEnded = true));
    this.closed = once(stream, 'close').catch(() => {});
  }

  get text(): string {
    return this.head === '' ? '' : `${this.head}\r\n\r\n${this.#body}`;
  }

  get data(): RawAnswer['data'] {
    return dataOf(this.#body);
  }
}
