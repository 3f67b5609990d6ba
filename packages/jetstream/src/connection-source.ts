import type { NatsConnectionLike } from './nats-connection.ts';

/** Opens a connection; gives up when the signal is aborted. */
export type OpenConnection = (signal: AbortSignal) => Promise<NatsConnectionLike>;

/** A connection that is its giver's to close; or a function that opens one, which is ours. */
export type ConnectionSource = NatsConnectionLike | Promise<NatsConnectionLike> | OpenConnection;

/** One connection for whoever asks, opened when the first one does, and again when it is closed. */
export class SharedConnection {
  readonly #source: ConnectionSource;
  readonly #abort = new AbortController();
  #opening: Promise<NatsConnectionLike> | undefined;
  #opened: NatsConnectionLike | undefined;

  constructor(source: ConnectionSource) {
    this.#source = source;
    // Until somebody asks, nobody is there to hear that it could not be opened.
    if ('then' in source) source.catch(() => {});
  }

  /** @throws what the function throws that opens it; Error once it is closed */
  async get(): Promise<NatsConnectionLike> {
    if (this.#abort.signal.aborted) throw new Error('it is closed');
    if (typeof this.#source !== 'function') return this.#source;
    if (this.#opened !== undefined && !this.#opened.isClosed()) return this.#opened;
    return (this.#opening ??= this.#open(this.#source));
  }

  /** Idempotent. A connection that is still being opened is closed when it is. */
  async close(): Promise<void> {
    this.#abort.abort();
    await this.#opened?.close();
  }

  async #open(open: OpenConnection): Promise<NatsConnectionLike> {
    try {
      const connection = await open(this.#abort.signal);
      this.#opened = connection;
      if (this.#abort.signal.aborted) await connection.close();
      return connection;
    } finally {
      this.#opening = undefined;
    }
  }
}
