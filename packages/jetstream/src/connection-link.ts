import { cutConnection, deniedSubject } from './nats-connection.ts';
import type { NatsConnectionLike } from './nats-connection.ts';

/** After a missing acknowledgement, a server that does not even answer a ping for this long is taken for gone. */
const SIGN_OF_LIFE_MS = 8_000;

/** Who is told what becomes of a connection. */
export interface LinkListener {
  onUp(): void;
  onDown(): void;
  /** The server did not let us publish on this subject. */
  onPublishDenied(subject: string): void;
  /** For ever. */
  onClosed(cause: void | Error): void;
}

/** Follows a connection: whether it is up, and whether there is anybody at the other end. */
export class ConnectionLink {
  readonly connection: NatsConnectionLike;
  readonly #listener: LinkListener;
  #probe: NodeJS.Timeout | undefined;
  #released = false;
  /** Whether it has a server, as far as it knows. */
  up: boolean;

  constructor(connection: NatsConnectionLike, listener: LinkListener) {
    this.connection = connection;
    this.#listener = listener;
    this.up = connection.info !== undefined;
    void this.#follow();
    void connection.closed().then((cause) => {
      if (this.#released) return;
      this.release();
      listener.onClosed(cause);
    });
  }

  /**
   * Whether what is published now reaches the server that we know of. From the moment it dials anew, a connection keeps
   * what it is given for the next server, before we hear that the last one is gone: out of order with what we repeat.
   */
  get usable(): boolean {
    return this.up && this.connection.info !== undefined;
  }

  /**
   * Asks for a sign of life. Without one the connection is cut, so that it dials anew: whatever ping interval it was
   * made with, and however much waits to be sent into a dead socket, on which the client itself would wait for ever.
   */
  probe(): void {
    if (this.#probe !== undefined || !this.up || this.connection.flush === undefined) return;
    this.#probe = setTimeout(() => {
      this.#probe = undefined;
      cutConnection(this.connection);
    }, SIGN_OF_LIFE_MS).unref();
    const alive = (): void => this.heard();
    this.connection.flush().then(alive, alive);
  }

  /** Something came from the server. */
  heard(): void {
    clearTimeout(this.#probe);
    this.#probe = undefined;
  }

  /** Tells nothing any more. The connection stays as it is. */
  release(): void {
    this.#released = true;
    this.up = false;
    this.heard();
  }

  async #follow(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (this.#released) return;
      if (status.type === 'disconnect') this.#set(false);
      else if (status.type === 'reconnect') this.#set(true);
      else if (status.type === 'staleConnection') cutConnection(this.connection);
      else if (status.type === 'error') this.#onError(deniedSubject(status));
    }
  }

  /** A connection may tell the same twice. */
  #set(up: boolean): void {
    this.heard();
    if (this.up === up) return;
    this.up = up;
    if (up) this.#listener.onUp();
    else this.#listener.onDown();
  }

  #onError(denied: { operation: string; subject: string } | undefined): void {
    if (denied?.operation === 'publish') this.#listener.onPublishDenied(denied.subject);
  }
}
