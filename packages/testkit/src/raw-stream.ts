import { once } from 'node:events';
import net from 'node:net';
import type { Duplex } from 'node:stream';

/** One request for a stream, and what comes back, as it is: of a client that can stop reading. */
export interface RawAnswer {
  /** All that was read, head and chunk lengths included. */
  readonly text: string;
  /** The status and headers, in small letters. */
  readonly head: string;
  /** The JSON of the items that have any. */
  readonly data: { readonly [key: string]: unknown }[];
  /** The answer is whole. */
  readonly isEnded: boolean;
  /** What it comes on: the socket, or the stream of HTTP/2. */
  readonly socket: Duplex;
  readonly closed: Promise<unknown>;
}

/** One HTTP/1 request on a socket of its own. */
export class RawStream implements RawAnswer {
  text = '';
  readonly socket: net.Socket;
  readonly closed: Promise<unknown>;

  constructor(url: string, headers: Readonly<Record<string, string>> = {}, version = '1.1') {
    const { hostname, port, pathname, search } = new URL(url);
    const lines = Object.entries({ host: hostname, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    this.socket = net.connect({ host: hostname, port: Number(port) });
    this.socket.on('data', (data) => (this.text += data.toString('latin1')));
    this.socket.on('error', () => {});
    this.closed = once(this.socket, 'close').catch(() => {});
    this.socket.write(`GET ${pathname}${search} HTTP/${version}\r\n${lines.join('')}\r\n`);
  }

  get head(): string {
    return this.text.slice(0, this.text.indexOf('\r\n\r\n')).toLowerCase();
  }

  get data(): RawAnswer['data'] {
    return dataOf(withoutChunkLengths(this.text.slice(this.text.indexOf('\r\n\r\n') + 4)));
  }

  get isEnded(): boolean {
    return this.text.endsWith('\r\n0\r\n\r\n');
  }
}

export function dataOf(body: string): RawAnswer['data'] {
  const lines = Array.from(body.matchAll(/^data: (.+)\n\n/gm), ([, json]) => JSON.parse(json ?? '') as object);
  return lines.filter((one) => Object.keys(one).length > 0) as RawAnswer['data'];
}

/** A chunk may end anywhere in a line; its length is between two line breaks. */
function withoutChunkLengths(body: string): string {
  return body.replaceAll(/(?:\r\n|^)[0-9a-f]+\r\n/g, '').replaceAll('\r\n', '');
}
