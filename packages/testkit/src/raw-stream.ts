import { once } from 'node:events';
import net from 'node:net';

/** One HTTP request on a socket of its own, and the bytes that come back, as they are: a client that can stop reading. */
export class RawStream {
  /** All that was read, head and chunk lengths included. */
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

  /** The status and headers, in small letters. */
  get head(): string {
    return this.text.slice(0, this.text.indexOf('\r\n\r\n')).toLowerCase();
  }

  /** The JSON of the items that have any. */
  get data(): { readonly [key: string]: unknown }[] {
    const body = withoutChunkLengths(this.text.slice(this.text.indexOf('\r\n\r\n') + 4));
    const lines = Array.from(body.matchAll(/^data: (.+)\n\n/gm), ([, json]) => JSON.parse(json ?? '') as object);
    return lines.filter((one) => Object.keys(one).length > 0) as { [key: string]: unknown }[];
  }
}

/** A chunk may end anywhere in a line; its length is between two line breaks. */
function withoutChunkLengths(body: string): string {
  return body.replaceAll(/(?:\r\n|^)[0-9a-f]+\r\n/g, '').replaceAll('\r\n', '');
}
