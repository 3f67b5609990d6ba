import { once } from 'node:events';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { runLane, written } from './proxy-lane.ts';

interface Link {
  readonly client: Socket;
  readonly server: Socket;
  /** Bytes are missing: no TCP connection goes on after that. */
  holed: boolean;
}

/**
 * A TCP proxy that breaks connections in the ways that networks do. It knows nothing of what it carries.
 *
 * A treatment holds for all connections, open and new, until `resume`.
 */
export class FaultProxy {
  /** Connections taken since the start. */
  accepted = 0;
  /** Bytes that have passed since the start, and that have vanished. In both directions. */
  carriedBytes = 0;
  lostBytes = 0;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #listener = createServer((client) => this.#accept(client));
  readonly #links = new Set<Link>();
  readonly #dropped = { client: false, server: false };
  #delayMs = 0;
  /** Closed while paused. */
  #gate = Promise.resolve();
  #openGate = (): void => {};
  #cut: (() => void) | undefined;

  private constructor(target: URL) {
    this.#target = { host: target.hostname, port: Number(target.port) };
  }

  /** Use `startFaultProxy`. */
  static async start(target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(new URL(target));
    proxy.#listener.listen(0, '127.0.0.1');
    await once(proxy.#listener, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#listener.address() as AddressInfo).port;
  }

  /** `nats://127.0.0.1:<port>` */
  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  /** Open ones. */
  get connections(): number {
    return this.#links.size;
  }

  /** Resets every connection, both sides. @returns how many there were. */
  cutAll(): number {
    const links = [...this.#links];
    for (const link of links) reset(link);
    return links.length;
  }

  /**
   * Waits for the next bytes of a client, hands the server the first half of them, and resets that connection.
   *
   * @returns when that has happened. One at a time.
   */
  cutMidFrame(): Promise<void> {
    return new Promise((resolve) => (this.#cut = resolve));
  }

  /** Nothing passes, and nothing is lost: packets that are sent again until the network is back. */
  pause(): void {
    this.#openGate();
    this.#gate = new Promise((resolve) => (this.#openGate = resolve));
  }

  /** What clients send vanishes: a peer that is gone and never said so (half-open). */
  dropClientToServer(): void {
    this.#dropped.client = true;
  }

  /** What the server answers vanishes: lost acknowledgements. */
  dropServerToClient(): void {
    this.#dropped.server = true;
  }

  /** Each piece arrives this much later, in order. Milliseconds. */
  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** Ends every treatment. Connections that lost bytes are reset: nothing can go on after a hole. */
  resume(): void {
    this.#dropped.client = false;
    this.#dropped.server = false;
    this.#delayMs = 0;
    for (const link of this.#links) if (link.holed) reset(link);
    this.#openGate();
  }

  async close(): Promise<void> {
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    this.resume();
    this.cutAll();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(client: Socket): void {
    this.accepted += 1;
    const server = connect(this.#target);
    const link = { client, server, holed: false };
    this.#links.add(link);
    for (const socket of [client, server]) {
      socket.setNoDelay();
      socket.on('error', () => {}); // Resets are what this is for.
      socket.once('close', () => this.#forget(link));
    }
    const delayMs = (): number => this.#delayMs;
    runLane(client, server, delayMs, (piece) => this.#carry(link, 'client', piece));
    runLane(server, client, delayMs, (piece) => this.#carry(link, 'server', piece));
  }

  async #carry(link: Link, from: 'client' | 'server', piece: Buffer): Promise<void> {
    await this.#gate;
    if (this.#dropped[from] || link.holed) {
      link.holed = true;
      this.lostBytes += piece.length;
    } else if (from === 'client' && this.#cut !== undefined) {
      await this.#cutWithin(link, piece);
    } else {
      await written(from === 'client' ? link.server : link.client, piece);
      this.carriedBytes += piece.length;
    }
  }

  async #cutWithin(link: Link, piece: Buffer): Promise<void> {
    const done = this.#cut;
    this.#cut = undefined;
    link.holed = true;
    await written(link.server, piece.subarray(0, Math.ceil(piece.length / 2)));
    reset(link);
    done?.();
  }

  /** One side is gone: so is the other. */
  #forget(link: Link): void {
    this.#links.delete(link);
    link.client.destroy();
    link.server.destroy();
  }
}

/** Starts a proxy before `target` (`nats://host:port`), on a port that the kernel chooses. */
export function startFaultProxy(target: string): Promise<FaultProxy> {
  return FaultProxy.start(target);
}

function reset({ client, server }: Link): void {
  client.resetAndDestroy();
  server.resetAndDestroy();
}
